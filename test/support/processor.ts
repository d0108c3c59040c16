import { existsSync, readFileSync } from "node:fs"

/** How long others have kept a process from running although it could have; zero where the system doesn't tell. */
export const millisWaitedForProcessor = (pid: number | "self" = "self"): number =>
  existsSync(`/proc/${pid}/schedstat`)
    ? Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1_000_000
    : 0
