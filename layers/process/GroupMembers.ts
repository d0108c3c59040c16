/**
 * Whether a process group still has members.
 *
 * @internal
 */
import { readdirSync, readFileSync } from "node:fs"

/**
 * Whether a process of the group runs. Zombies don't count, though the system signals them as well: some containers have a
 * first process that never waits for them.
 */
export const isAlive = (group: number): boolean => {
  try {
    process.kill(-group, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
  return process.platform !== "linux" || hasRunning(group)
}

const hasRunning = (group: number): boolean => {
  try {
    return readdirSync("/proc").some((name) => /^\d+$/.test(name) && runsIn(group, name))
  } catch {
    return true
  }
}

/** By `/proc/[pid]/stat` (proc(5)): `pid (command) state parent group …`, where the command may contain anything. */
const runsIn = (group: number, pid: string): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    const [state = "", , processGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return Number(processGroup) === group && !"ZX".includes(state)
  } catch {
    // It has ended since the folder was listed.
    return false
  }
}
