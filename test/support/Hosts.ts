/**
 * Hosts for tests: network namespaces that a bridge joins, where the system allows them, and addresses of the loopback
 * interface where it doesn't. A host of the loopback interface can't be cut off.
 */
import { execFileSync } from "node:child_process"

export interface Host {
  readonly address: string
  /** What comes before a command that runs there. */
  readonly prefix: ReadonlyArray<string>
}

export interface Hosts {
  readonly hosts: ReadonlyArray<Host>
  /** Whether hosts can be cut off. */
  readonly areApart: boolean
  /** Cuts the host off from all others, or joins it again. */
  readonly setCut: (index: number, isCut: boolean) => void
  readonly remove: () => void
}

const ip = (...words: ReadonlyArray<string>): void => {
  execFileSync("ip", words, { stdio: "pipe" })
}

/** Names of this process alone. The names of interfaces have 15 characters at most. */
const mark = `ei${process.pid.toString(36)}`
const bridge = `${mark}b`
const space = (index: number): string => `${mark}h${index}`
const link = (index: number): string => `${mark}v${index}`

export const make = (count: number): Hosts => {
  const indices = Array.from({ length: count }, (_, index) => index)
  const remove = (): void => {
    for (const index of indices) {
      // Deleting the namespace alone leaves it, and the link, until its last process is gone.
      attempt(() => ip("link", "del", link(index)))
      attempt(() => ip("netns", "del", space(index)))
    }
    attempt(() => ip("link", "del", bridge))
  }
  const areApart = attempt(() => {
    ip("link", "add", bridge, "type", "bridge")
    ip("link", "set", bridge, "up")
    for (const index of indices) {
      ip("netns", "add", space(index))
      ip("link", "add", link(index), "type", "veth", "peer", "name", "eth0", "netns", space(index))
      ip("link", "set", link(index), "master", bridge, "up")
      ip("-n", space(index), "addr", "add", `10.213.7.${index + 1}/24`, "dev", "eth0")
      ip("-n", space(index), "link", "set", "eth0", "up")
      ip("-n", space(index), "link", "set", "lo", "up")
    }
  })
  if (!areApart) remove()
  return {
    hosts: indices.map((index) =>
      areApart
        ? { address: `10.213.7.${index + 1}`, prefix: ["ip", "netns", "exec", space(index)] }
        : { address: `127.0.0.${index + 2}`, prefix: [] }
    ),
    areApart,
    setCut: (index, isCut) => ip("link", "set", link(index), isCut ? "down" : "up"),
    remove: () => {
      if (areApart) remove()
    }
  }
}

/** Whether it succeeded. */
const attempt = (run: () => void): boolean => {
  try {
    run()
    return true
  } catch {
    return false
  }
}
