/**
 * Ends a process group when this process ends. A small shell reads from a pipe that only this process holds open; the
 * system closes the pipe however this process ends.
 *
 * @internal
 */
import { spawn } from "node:child_process"
import type { Socket } from "node:net"

/** A shell that waits for the end of this process. */
export interface GroupWatcher {
  /** Names the group to end. */
  readonly watch: (group: number) => void
  /** Ends the watcher; the group is left alone. */
  readonly dismiss: () => void
}

/**
 * The first line names the group. After it, a second line dismisses the watcher; end of input means that this process
 * has ended. The group then gets SIGTERM, and SIGKILL 2 seconds later.
 */
const script = `
read -r group || exit
read -r _ && exit
kill -s TERM -- "-$group"
for n in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.2
  kill -s 0 -- "-$group" || exit
done
kill -s KILL -- "-$group"
`

/**
 * Starts a watcher, before the process that it watches over, so that there is no moment without one. It runs in a
 * session of its own: a signal to this process's group doesn't end it. Where the system has no `/bin/sh`, nothing is
 * watched.
 */
export const start = (): GroupWatcher => {
  const shell = spawn("/bin/sh", ["-c", script, "effect-ipc-watcher"], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/"
  })
  // Undefined where no file descriptor is left, contrary to the types.
  const pipe = shell.stdin as Socket | undefined
  shell.on("error", () => {})
  shell.unref()
  pipe?.on("error", () => {})
  pipe?.unref()
  return {
    watch: (group) => void pipe?.write(`${group}\n`),
    dismiss: () => void pipe?.end("\n")
  }
}
