import { existsSync, readFileSync } from "node:fs"

/** How long others have kept this process from running although it could have; zero where the system doesn't tell. */
export const millisWaitedForProcessor = (): number =>
  existsSync("/proc/self/schedstat")
    ? Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[1]) / 1_000_000
    : 0
