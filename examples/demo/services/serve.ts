import type { Server } from "node:http"
import type { AddressInfo } from "node:net"

/** Listens on the port of the command line, any free one by default, and prints the address as its first line. */
export const serve = (server: Server): void => {
  server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
    console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  })
  endWithParent()
}

/** The parent holds the other end of stdin: however it dies, nothing stays behind. */
export const endWithParent = (): void => {
  process.stdin.on("end", () => process.exit()).resume()
}
