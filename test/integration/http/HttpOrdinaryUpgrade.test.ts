import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect, serve, serveGateway } from "./support.js"

const H2C = "Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"

describe("a request that offers to go on in HTTP/2, as Java's HttpClient sends it", () => {
  it.scopedLive("is answered by a route, its body read, and its connection kept", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      yield* gateway.route("POST", "/echo", ({ body, headers }) =>
        Effect.succeed({ body, upgrade: headers.upgrade, connection: headers.connection })
      )
      const client = yield* connect(port)
      client.socket.write(`POST /echo HTTP/1.1\r\n${H2C}Content-Type: text/plain\r\nContent-Length: 6\r\n\r\nhal`)
      client.socket.write("ves")
      yield* client.until('{"body":"halves","connection":"keep-alive"}')
      client.socket.write("GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* client.until("404 Not Found")
    })
  )

  it.scopedLive("is passed on with its body, and without the offer", () =>
    Effect.gen(function* () {
      const upstream = yield* serve({
        onRequest: (request, response) => {
          let body = ""
          request.on("data", (chunk) => {
            body += chunk
          })
          request.on("end", () => response.end(JSON.stringify([body, request.headers.upgrade ?? "none"])))
        }
      })
      const { gateway, port } = yield* serveGateway()
      yield* gateway.proxy(() => upstream.url)
      const client = yield* connect(port)
      client.socket.write(`POST /x HTTP/1.1\r\n${H2C}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`)
      client.socket.write("2\r\nde\r\n0\r\n\r\n")
      yield* client.until('["abcde","none"]')
    })
  )
})
