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

/** The parent holds the other end of stdin: however it dies, nothing stays behind. */
export const endWithParent = (): void => {
  process.stdin.on("end", () => process.exit()).resume()
}
