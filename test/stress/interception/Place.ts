/**
 * Where the storm's tests take place: a real service on each suite's own gateway, and what has to be there after each test.
 */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { assert } from "vitest"
import { WebSocketServer } from "ws"

/** Says its name, echoes bodies, and echoes WebSockets after a welcome. */
export const startService = async (): Promise<{ readonly url: string; readonly close: () => Promise<void> }> => {
  const server = http.createServer((request, response) => {
    if (request.method === "POST") request.pipe(response)
    else response.end("the real service")
  })
  const webSockets = new WebSocketServer({ server })
  webSockets.on("connection", (socket) => {
    socket.send("welcome")
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        for (const socket of webSockets.clients) socket.terminate()
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

/** The route of the real service; the test's own names are below it, so that interceptors meet real traffic. */
export const entryOf = (url: string) => ({ api: "real", baseUrl: url, pathPrefix: "/real" })

export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: http.IncomingHttpHeaders
}

export interface Asking {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

/** One request on a connection of its own; rejects where the answer is cut off. */
export const ask = (url: string, { body, ...options }: Asking = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
      })
      response.on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }))
    })
    request.on("error", reject)
    request.end(body)
  })

export const text = async (url: string, options?: Asking): Promise<string> => (await ask(url, options)).text

/**
 * No route but the real service's, no interceptor at the gateway (it would be named in the answer to what nothing
 * matches), and the real service answers.
 */
export const assertNothingLeft = async (url: string, routes: ReadonlyArray<{ readonly api: string }>) => {
  assert.deepStrictEqual(
    routes.map(({ api }) => api),
    ["real"]
  )
  const { error } = JSON.parse(await text(`${url}/nobody`)) as { readonly error: string }
  assert.strictEqual(
    error,
    "No route for GET /nobody. No route matches, and the proxy resolver knows no upstream for it: is the service registered?"
  )
  assert.strictEqual(await text(`${url}/real/again`), "the real service")
}
