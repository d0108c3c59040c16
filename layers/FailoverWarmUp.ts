/**
 * What participants do when a leader dies, done once with nobody there.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import { Discovery } from "../src/Discovery.js"
import { LeaderElection } from "../src/LeaderElection.js"
import { defaultHost } from "./ipc/Address.js"
import * as NodeIPCServer from "./NodeIPCServer.js"

/**
 * Has one participant lead and another follow, with a service of its own, at a free port of this machine; then the leader
 * goes, the other one takes its place and proxies a request, and all is closed again. What a process does for the first
 * time it has to load and compile, which takes several times as long; when a leader dies, everybody does so at once, and
 * everybody waits for whoever wins. Never fails.
 *
 * @since 0.1.0
 * @category loading
 */
export const warmUp = <E>(
  takePart: (options: {
    readonly port: number
  }) => Effect.Effect<Context.Context<Discovery | LeaderElection>, E, Scope.Scope>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const service = yield* NodeIPCServer.make()
    yield* service.interceptHttp("GET", "/service", () => Effect.void)
    const { port } = yield* Effect.scoped(NodeIPCServer.make())
    const leading = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    yield* Scope.extend(takePart({ port }), leading)
    const follower = yield* takePart({ port })
    yield* Context.get(follower, Discovery).register([{ api: "service", baseUrl: service.url, pathPrefix: "/service" }])
    yield* Scope.close(leading, Exit.void)
    yield* Context.get(follower, LeaderElection).whileLeader(get(`http://${defaultHost}:${port}/service`))
  }).pipe(
    Effect.scoped,
    // Nothing depends on it, so nobody is to hear of it.
    Effect.catchAllCause(() => Effect.void),
    Logger.withMinimumLogLevel(LogLevel.None)
  )

const get = (url: string) =>
  Effect.async<void>((resume) => {
    const end = () => resume(Effect.void)
    const request = Http.get(url, { agent: false }, (response) => response.resume().on("close", end))
    request.on("error", end)
    return Effect.sync(() => request.destroy())
  })
