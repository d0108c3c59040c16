import { existsSync, readFileSync } from "node:fs"

/** What the system tells of the main thread of a process, in milliseconds: how long it ran, and how long it waited to. */
const schedulingOf = (pid: number | "self"): readonly [ran: number, waited: number] => {
  const path = `/proc/${pid}/schedstat`
  if (!existsSync(path)) return [0, 0]
  const [ran, waited] = readFileSync(path, "utf8").split(" ").map(Number)
  return [Number(ran) / 1_000_000, Number(waited) / 1_000_000]
}

/** How long others have kept a process from running although it could have; zero where the system doesn't tell. */
export const millisWaitedForProcessor = (pid: number | "self" = "self"): number => schedulingOf(pid)[1]

/**
 * Watches the turns of this process's event loop; returns what tells the longest since it was last asked, in milliseconds
 * of processor time, and begins anew.
 */
export const watchTurns = (): (() => number) => {
  let longest = 0
  let [before] = schedulingOf("self")
  const onTurn = () => {
    const [now] = schedulingOf("self")
    longest = Math.max(longest, now - before)
    before = now
  }
  setInterval(onTurn, 1).unref()
  return () => {
    onTurn()
    const told = longest
    longest = 0
    return told
  }
}

/** A clock in milliseconds that leaves out what this process and the others have waited for a processor. */
export const clockWithoutWaiting = (...pids: ReadonlyArray<number>) => {
  const waited = new Map<number | "self", number>([["self", 0], ...pids.map((pid) => [pid, 0] as const)])
  return (): number => {
    // Of one that has ended, what it had waited when it was last looked at.
    for (const [pid, before] of waited) waited.set(pid, Math.max(before, millisWaitedForProcessor(pid)))
    return Array.from(waited.values()).reduce((now, one) => now - one, performance.now())
  }
}
