import { existsSync, readFileSync } from "node:fs"

/** How long others have kept a process from running although it could have; zero where the system doesn't tell. */
export const millisWaitedForProcessor = (pid: number | "self" = "self"): number =>
  existsSync(`/proc/${pid}/schedstat`)
    ? Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1_000_000
    : 0

/** A clock in milliseconds that leaves out what this process and the others have waited for a processor. */
export const clockWithoutWaiting = (...pids: ReadonlyArray<number>) => {
  const waited = new Map<number | "self", number>([["self", 0], ...pids.map((pid) => [pid, 0] as const)])
  return (): number => {
    // Of one that has ended, what it had waited when it was last looked at.
    for (const [pid, before] of waited) waited.set(pid, Math.max(before, millisWaitedForProcessor(pid)))
    return Array.from(waited.values()).reduce((now, one) => now - one, performance.now())
  }
}
