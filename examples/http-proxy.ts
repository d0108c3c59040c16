import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Console, Effect, Layer } from "effect"
import { IPCServer } from "effect-ipc"
import { HttpProxyUpstream } from "effect-ipc/http-proxy"
import { NodeIPCServer } from "effect-ipc/node"

// #region gateway
// http-proxy in place of undici. Its options are passed on, its events are callbacks that run synchronously.
const ByHttpProxy = HttpProxyUpstream.layer({
  changeOrigin: true,
  cookieDomainRewrite: "shop.example",
  on: {
    proxyReq: (outgoing, request) => outgoing.setHeader("x-request-path", request.url ?? ""),
    proxyRes: (answer) => {
      answer.headers["x-answered-by"] = answer.headers.server ?? "a service"
    }
  }
})

const Gateway = NodeIPCServer.layer().pipe(Layer.provide(ByHttpProxy))
// #endregion

/** A service that sets a cookie for a name of its own. */
const startUsers = Effect.acquireRelease(
  Effect.async<ReturnType<typeof createServer>>((resume) => {
    const users = createServer((request, response) => {
      response.setHeader("set-cookie", "user=7; Domain=users.internal; Path=/")
      response.end(`users got ${request.headers["x-request-path"]}`)
    })
    users.listen(0, "127.0.0.1", () => resume(Effect.succeed(users)))
  }),
  (users) => Effect.async<void>((resume) => void users.close(() => resume(Effect.void)).closeAllConnections())
).pipe(Effect.map((users) => `http://127.0.0.1:${(users.address() as AddressInfo).port}`))

const main = Effect.gen(function* () {
  const server = yield* IPCServer
  const users = yield* startUsers
  yield* server.setRouteProxyResolver((path) => (path.startsWith("/users") ? users : undefined))
  const response = yield* Effect.promise(() => fetch(`${server.url}/users/7`))
  yield* Console.log(`${response.status} ${yield* Effect.promise(() => response.text())}`)
  yield* Console.log(response.headers.get("set-cookie"))
  yield* Console.log(response.headers.get("x-answered-by"))
}).pipe(Effect.scoped, Effect.provide(Gateway))

await Effect.runPromise(main)
