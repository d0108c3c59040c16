import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Console, Effect } from "effect"
import { IPCServer } from "effect-ipc"
import { NodeIPCServer } from "effect-ipc/node"

// #region gateway
const gateway = Effect.gen(function* () {
  const server = yield* IPCServer

  // A plain value is a 200 in JSON; an HttpServerResponse is sent as it is.
  yield* server.interceptHttp("GET", "/hello/:name", ({ params }) => Effect.succeed({ hello: params.name }))
  yield* server.interceptHttp("DELETE", "/sessions/:id", () => HttpServerResponse.empty({ status: 204 }))

  // What no route takes goes to a real service, HTTP and WebSocket alike, streamed both ways.
  const services = new Map([["users", yield* startUsers]])
  yield* server.setRouteProxyResolver((path) => services.get(path.split("/")[1] ?? ""))
  return server.url
})
// #endregion

/** A service that knows nothing of the gateway. */
const startUsers = Effect.acquireRelease(
  Effect.async<ReturnType<typeof createServer>>((resume) => {
    const users = createServer((request, response) => response.end(`users answers ${request.method} ${request.url}`))
    users.listen(0, "127.0.0.1", () => resume(Effect.succeed(users)))
  }),
  (users) => Effect.async<void>((resume) => void users.close(() => resume(Effect.void)).closeAllConnections())
).pipe(Effect.map((users) => `http://127.0.0.1:${(users.address() as AddressInfo).port}`))

const main = Effect.gen(function* () {
  const url = yield* gateway
  const ask = (method: string, path: string) =>
    Effect.gen(function* () {
      const response = yield* Effect.promise(() => fetch(url + path, { method }))
      const body = yield* Effect.promise(() => response.text())
      yield* Console.log(`${method} ${path} → ${response.status} ${body}`)
    })
  yield* ask("GET", "/hello/Ada")
  yield* ask("DELETE", "/sessions/1")
  yield* ask("GET", "/users/7?full=true")
  yield* ask("GET", "/nowhere")
}).pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer()))

await Effect.runPromise(main)
