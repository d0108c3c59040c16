import * as http from "node:http"
import type { AddressInfo } from "node:net"

/** A plain HTTP service on a free port: your own, in any framework. */
export const serve = (answer: (path: string) => Promise<unknown> | unknown): Promise<string> => {
  const server = http.createServer(async (request, response) => {
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(await answer(request.url ?? "/")))
  })
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
  })
}
