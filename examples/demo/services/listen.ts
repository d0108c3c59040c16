import type { Server } from "node:http"
import type { AddressInfo } from "node:net"

/** Listens on PORT, by default any free one, and resolves with the address. */
export const listen = (server: Server): Promise<string> => {
  endWithParent()
  return new Promise((resolve) => {
    server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    })
  })
}

/**
 * Ends this process when the demo ends, however it ends: the demo holds the other end of stdin. What this process has left
 * to print then has no reader.
 */
export const endWithParent = (): void => {
  process.stdout.on("error", () => {})
  process.stdin.on("end", () => process.exit()).resume()
}
