/**
 * Ports for who listens later, or listens again where another has left.
 */
import { existsSync, readFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"

/** The range from which the system chooses free ports. */
const systemRange = "/proc/sys/net/ipv4/ip_local_port_range"

const first = 16_384
const count = existsSync(systemRange) ? Number.parseInt(readFileSync(systemRange, "utf8"), 10) - first : 0

// Each process of a run begins elsewhere, so that no two are after the same.
let tried = process.pid * 500

/** Below the system's range, from which anybody might be given it before it is used; any, where nothing is known below. */
const next = () => (count > 0 ? first + (tried++ % count) : 0)

/** One that no process listens on. */
export const free = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(free()) : reject(error)
    )
    server.listen(next(), "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
