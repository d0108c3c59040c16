/**
 * What a leader does, done once with nobody there.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import * as NodeIPCClient from "./NodeIPCClient.js"
import * as NodeIPCServer from "./NodeIPCServer.js"

/**
 * Serves, is connected to and proxies a request, on a free port of this machine that is closed right after. What a
 * process does for the first time it has to load and compile, which takes ten times as long; whoever comes to lead has
 * everybody waiting for it meanwhile. Never fails.
 *
 * @since 0.1.0
 * @category loading
 */
export const rehearse: Effect.Effect<void> = Effect.gen(function* () {
  const server = yield* NodeIPCServer.make()
  yield* server.interceptHttp("GET", "/service/*", () => Effect.void)
  yield* server.setRouteProxyResolver((path) => (path === "/proxied" ? `${server.url}/service` : undefined))
  yield* NodeIPCClient.make({ url: server.url, reconnect: false })
  yield* get(`${server.url}/proxied`)
}).pipe(
  Effect.scoped,
  // Nothing depends on it.
  Effect.catchAllCause(() => Effect.void)
)

const get = (url: string) =>
  Effect.async<void>((resume) => {
    const end = () => resume(Effect.void)
    const request = Http.get(url, { agent: false }, (response) => response.resume().on("close", end))
    request.on("error", end)
    return Effect.sync(() => request.destroy())
  })
