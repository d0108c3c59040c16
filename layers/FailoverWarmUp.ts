/**
 * The work of a failover, done once in advance.
 *
 * @internal
 */
import * as Http from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import { Discovery } from "../src/Discovery.js"
import { CallLog, CurrentCallLog } from "../src/internal/CallLog.js"
import { detached } from "../src/internal/Detached.js"
import * as InnerScope from "../src/internal/InnerScope.js"
import { LeaderElection } from "../src/LeaderElection.js"
import { defaultHost } from "./ipc/Address.js"
import * as NodeIPCServer from "./NodeIPCServer.js"

/** How a participant joins at a port, without a warm-up of its own. */
export type TakePart<E> = (options: {
  readonly port: number
}) => Effect.Effect<Context.Context<Discovery | LeaderElection>, E, Scope.Scope>

/**
 * Warms this process up in a fiber of the scope: later than the program itself starts, which it would delay, or a short
 * program ends.
 */
export const schedule = <E>(takePart: TakePart<E>): Effect.Effect<void, never, Scope.Scope> =>
  warmUp(takePart).pipe(Effect.delay("3 seconds"), detached, Effect.forkScoped, Effect.asVoid)

/**
 * Has one participant lead and another follow, with a service of its own, at a free port of this machine. Then the leader
 * ends, the other takes over and proxies some requests, and all is closed again. The first time, this code has to be
 * loaded and compiled, which takes several times as long as running it; after the end of a leader, every participant would do
 * so at once while requests wait for the new leader. Never fails.
 */
export const warmUp = <E>(takePart: TakePart<E>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const service = yield* NodeIPCServer.make()
    yield* service.interceptHttp("GET", "/service", () => Effect.void)
    const { port } = yield* Effect.scoped(NodeIPCServer.make())
    const leading = yield* InnerScope.make
    yield* Scope.extend(takePart({ port }), leading)
    const follower = yield* takePart({ port })
    yield* Context.get(follower, Discovery).register({ api: "service", baseUrl: service.url, pathPrefix: "/service" })
    yield* Scope.close(leading, Exit.void)
    const request = get(`http://${defaultHost}:${port}/service`)
    yield* Context.get(follower, LeaderElection).whileLeader(
      Effect.replicateEffect(request, requests, { discard: true })
    )
  }).pipe(
    Effect.scoped,
    // An inspector isn't shown the warm-up's requests.
    Effect.provideService(CurrentCallLog, new CallLog()),
    // Nothing depends on it, so a failure is not worth a log line.
    Effect.catchAllCause(() => Effect.void),
    Logger.withMinimumLogLevel(LogLevel.None)
  )

/** V8 makes inline caches for a function, and compiles it, after it has run some times. */
const requests = 16

const get = (url: string) =>
  Effect.async<void>((resume) => {
    const end = () => resume(Effect.void)
    const request = Http.get(url, { agent: false }, (response) => response.resume().on("close", end))
    request.on("error", end)
    return Effect.sync(() => request.destroy())
  })
