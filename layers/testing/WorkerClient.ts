/**
 * The worker's end of its connection to the runner that started it. The process ends with that connection.
 *
 * @since 0.1.0
 */

import { writeSync } from "node:fs"
import { setTimeout } from "node:timers"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { CloseEvent } from "../../src/CloseEvent.js"
import { Discovery } from "../../src/Discovery.js"
import type { DiscoveryEntry } from "../../src/DiscoveryEntry.js"
import * as DiscoveryMember from "../../src/discovery/DiscoveryMember.js"
import type { Registry } from "../../src/discovery/Registry.js"
import { followOnly } from "../../src/election/FollowOnly.js"
import { IPCClient } from "../../src/IPCClient.js"
import type { ConnectFailed, RequestError } from "../../src/IPCError.js"
import type { Arguments, ClientRequest, HandlerFailure, ServerRequest } from "../../src/IPCRequest.js"
import { closeReason } from "../../src/internal/ErrorMessage.js"
import { quote } from "../../src/internal/Printable.js"
import * as Variable from "../../src/internal/Variable.js"
import * as MemberServices from "../../src/service/MemberServices.js"
import { sigtermExitCode } from "../../src/WorkerError.js"
import * as Credentials from "../ipc/Credentials.js"
import * as LoopbackEndpoints from "../LoopbackEndpoints.js"
import * as NodeIPCClient from "../NodeIPCClient.js"
import * as ProcessMemory from "../ProcessMemory.js"
import * as AmbientSpan from "../promise/AmbientSpan.js"
import * as CallArguments from "../promise/CallArguments.js"
import { asyncDispose } from "../promise/Disposal.js"
import * as Promises from "../promise/Promises.js"
import * as WorkerProtocol from "./WorkerProtocol.js"

/**
 * A worker's services: the connection to its runner, and discovery at the runner's gateway over the same connection.
 *
 * @since 0.1.0
 * @category models
 */
export type WorkerServices = IPCClient | Discovery

/**
 * Why a worker can't connect. `ConfigError` where no runner started it.
 *
 * @since 0.1.0
 * @category models
 */
export type WorkerConnectError = ConnectFailed | ConfigError.ConfigError | RequestError

/**
 * Connects the process, runs the setup, and tells the runner that it is ready. The process then runs until it is ended or
 * the connection to its runner is lost. A failure is printed to stderr, which the runner's error quotes.
 *
 * @example
 * ```ts
 * import { WorkerClient } from "effect-ipc/testing"
 * import { Discovery, IPCClient } from "effect-ipc"
 * import { Effect } from "effect"
 *
 * const SetLimit = IPCClient.defineRequest<number, void>("config/setLimit")
 *
 * WorkerClient.run(
 *   Effect.gen(function* () {
 *     const runner = yield* IPCClient
 *     const discovery = yield* Discovery
 *     yield* runner.handle(SetLimit, (limit) => Effect.log(`the limit is ${limit}`))
 *     yield* discovery.register([{ api: "orders", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/orders" }])
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const run = <A, E>(setup: Effect.Effect<A, E, WorkerServices | Scope.Scope>): void =>
  NodeRuntime.runMain(
    ready(setup).pipe(
      Effect.zipRight(Effect.never),
      Effect.scoped,
      // The runtime would report it on stdout, which is the program's own.
      Effect.tapErrorCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.void : say(`${Cause.pretty(cause, { renderErrorCause: true })}\n`)
      )
    ),
    { disableErrorReporting: true }
  )

/**
 * The connection as a Layer, for a program that runs by itself. To the runner it is ready once it is connected; for 2
 * seconds more, the runner's requests wait for handlers that are missing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<WorkerServices, WorkerConnectError> = Layer.scopedContext(
  Effect.gen(function* () {
    const { announce, context } = yield* makeConnection
    yield* announce({ complete: false })
    return context
  })
)

/**
 * The connection of a worker without Effect.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerConnection extends AsyncDisposable {
  readonly runtimeId: string
  /** Answers a request of the runner. */
  readonly handle: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    handler: (payload: Payload) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
  ) => void
  /** Sends the runner a request. Rejects with the request's own failure or a `RequestError`. */
  readonly request: <Payload, Success, Failure>(
    request: ServerRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, { readonly timeout?: number }>
  ) => Promise<Success>
  /** Registers instances of apis at the runner's gateway, while the worker is connected. */
  readonly register: (
    entries: typeof DiscoveryEntry.Encoded | ReadonlyArray<typeof DiscoveryEntry.Encoded>
  ) => Promise<void>
  /** The gateway's URL for an api. Rejects with `ServiceNotRegistered` where it isn't registered. */
  readonly discover: (api: string) => Promise<string>
  /** Closes the connection; the process then ends once it has nothing left to do. */
  readonly close: () => Promise<void>
}

/**
 * `run` for a worker without Effect: resolves once the setup is done and the runner knows. Rejects if it can't connect or
 * the setup rejects. A rejection that isn't caught ends the process with its message.
 *
 * @example
 * ```ts
 * import { WorkerClient } from "effect-ipc/testing"
 * import { IPCClient } from "effect-ipc/promise"
 *
 * const SetLimit = IPCClient.defineRequest<number, void>("config/setLimit")
 *
 * await WorkerClient.connect((runner) => {
 *   runner.handle(SetLimit, (limit) => console.log(`the limit is ${limit}`))
 * })
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const connect = async (setup: (runner: WorkerConnection) => unknown = () => {}): Promise<WorkerConnection> => {
  CallArguments.checkFunction("WorkerClient.connect", "setup", setup)
  const exit = await Effect.runPromiseExit(
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      return yield* Effect.gen(function* () {
        const { announce, context, runtimeId } = yield* makeConnection
        const connection = promised(context, runtimeId, scope)
        yield* endOnSigterm(scope)
        yield* Effect.tryPromise({ try: async () => setup(connection), catch: identity })
        yield* announce({ complete: true })
        return connection
      }).pipe(
        Scope.extend(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    })
  )
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}

const ready = <A, E>(setup: Effect.Effect<A, E, WorkerServices | Scope.Scope>) =>
  Effect.gen(function* () {
    const { announce, context } = yield* makeConnection
    yield* Effect.provide(setup, context)
    yield* announce({ complete: true })
  })

const makeConnection = Effect.gen(function* () {
  const { runtimeId, ...options } = yield* config
  const client = yield* NodeIPCClient.make({
    ...options,
    runtimeId,
    // No heartbeats: a runner that is stopped in a debugger can't answer them, and one that has ended closes its socket.
    heartbeat: "1 day",
    reconnect: false
  })
  // Interrupted before the client closes, since a connection that this end closes isn't lost.
  yield* client.closed.pipe(
    Effect.flatMap((event) => endProcess(runtimeId, options.url, event)),
    Effect.interruptible,
    Effect.forkScoped
  )
  const member = yield* DiscoveryMember.make({ runtimeId }, (setup) =>
    Effect.map(setup.onFollow(client, { kind: "bin" }), followOnly<Registry, IPCClient.Service>)
  )
  const discovery = yield* ProcessMemory.provide(
    MemberServices.provide(member, { endpoints: LoopbackEndpoints.make(options), connection: {} })
  )
  return {
    runtimeId,
    context: Context.make(IPCClient, client).pipe(Context.add(Discovery, discovery)),
    announce: (readiness: Omit<WorkerProtocol.Readiness, "pid">) =>
      client.request(WorkerProtocol.ready(runtimeId), { ...readiness, pid: process.pid })
  }
})

const fromRunner = (variable: string) =>
  Config.mapOrFail(Config.option(Variable.text(variable)), (value) =>
    Either.fromOption(value, () => ConfigError.MissingData([variable], noRunner))
  )

const noRunner = "this module is a worker: its runner, which starts it with Worker.make, sets this"

const config = Config.all({
  url: fromRunner("IPC_URL"),
  runtimeId: fromRunner("IPC_RUNTIME_ID"),
  token: Credentials.token
})

/**
 * Without a listener, SIGTERM ends a process before it has written its coverage. A program that has its own listener ends
 * as that listener decides.
 */
const endOnSigterm = (scope: Scope.CloseableScope): Effect.Effect<void, never, Scope.Scope> => {
  const onSignal = () => {
    if (process.listenerCount("SIGTERM") > 1) return
    const exit = () => process.exit(sigtermExitCode)
    setTimeout(exit, endGraceMillis).unref()
    Promises.run(Scope.close(scope, Exit.void)).then(exit, exit)
  }
  return Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => process.on("SIGTERM", onSignal)),
      // A program that has closed the connection then ends by SIGTERM as any other.
      () => Effect.sync(() => process.off("SIGTERM", onSignal))
    )
  )
}

/** Ends the process as SIGTERM would, so that finalizers run, and exits after the grace at the latest. */
const endProcess = (runtimeId: string, url: string, event: CloseEvent): Effect.Effect<void> => {
  const why = closeReason(event)
  const line = `Worker ${quote(runtimeId)} lost the connection to its runner at ${url} (${why}); it ends.\n`
  return Effect.zipRight(
    say(line),
    Effect.sync(() => {
      process.once("exit", () => {
        process.exitCode = 1
      })
      if (process.listenerCount("SIGTERM") === 0) process.exit(1)
      setTimeout(() => process.exit(1), endGraceMillis).unref()
      process.emit("SIGTERM")
    })
  )
}

/** How long finalizers may take once the runner is lost, in milliseconds. */
const endGraceMillis = 2_000

/** Synchronous, since the process may exit next; ignores a closed stderr. */
const say = (text: string): Effect.Effect<void> => Effect.ignore(Effect.try(() => writeSync(2, text)))

const promised = (
  context: Context.Context<WorkerServices>,
  runtimeId: string,
  scope: Scope.CloseableScope
): WorkerConnection => {
  const client = Context.get(context, IPCClient)
  const discovery = Context.get(context, Discovery)
  const close = () => Promises.run(Scope.close(scope, Exit.void))
  return {
    runtimeId,
    handle: <Payload, Success, Failure>(
      request: ClientRequest<Payload, Success, Failure>,
      handler: (payload: Payload) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
    ) => {
      CallArguments.checkRequest("handle", request)
      CallArguments.checkFunction("handle", "handler", handler)
      const answer = (payload: Payload) =>
        AmbientSpan.tryPromise(
          () => handler(payload),
          (error) => error as HandlerFailure<Failure>
        )
      Promises.runSync(Scope.extend(client.handle(request, answer), scope))
    },
    request: (request, ...args) =>
      CallArguments.sendingIssue("request", request) ?? Promises.run(client.request(request, ...args)),
    register: (entries) => Promises.run(Scope.extend(discovery.register(entries), scope)),
    discover: (api) => CallArguments.apiIssue("discover", api) ?? Promises.run(discovery.discover(api)),
    close,
    [asyncDispose]: close
  }
}
