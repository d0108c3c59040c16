/**
 * A suite's gateway, its workers and its interception, for tests without Effect.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Discovery } from "../../../src/Discovery.js"
import type { DiscoveryEntry, Route } from "../../../src/DiscoveryEntry.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import type { ConnectedClient } from "../../../src/IPCPeer.js"
import type { Arguments, ClientRequest, HandlerFailure, ServerRequest } from "../../../src/IPCRequest.js"
import { IPCServer } from "../../../src/IPCServer.js"
import type { WorkerDied, WorkerStartFailed } from "../../../src/WorkerError.js"
import * as AmbientSpan from "../../promise/AmbientSpan.js"
import * as CallArguments from "../../promise/CallArguments.js"
import { asyncDispose } from "../../promise/Disposal.js"
import * as Promises from "../../promise/Promises.js"
import { type Acquired, ScopeHandle } from "../../promise/ScopeHandle.js"
import * as GatewayTest from "../GatewayTest.js"
import * as Worker from "../Worker.js"
import type { WorkerControl, WorkerExit } from "../WorkerControl.js"
import * as TestInterception from "./TestInterception.js"

/**
 * A worker's process with promises, which reject as the effects of `Worker.WorkerControl` fail.
 *
 * @since 0.2.0
 * @category models
 */
export interface TestProcess extends AsyncDisposable {
  readonly runtimeId: string
  readonly pid: () => number
  /** Calls the function; rejects with `WorkerDied` and aborts the signal where the process ends first. */
  readonly whileAlive: <A>(work: (signal: AbortSignal) => A | PromiseLike<A>) => Promise<A>
  /** Resolves once its process has ended. */
  readonly exit: () => Promise<WorkerExit>
  /** Ends its process and starts another under the same name; resolves when that is ready. */
  readonly restart: () => Promise<void>
  /** Ends its process: SIGTERM, and SIGKILL to its process group after the grace. */
  readonly stop: () => Promise<WorkerExit>
  readonly kill: (signal: NodeJS.Signals) => void
  readonly output: () => { readonly stdout: string; readonly stderr: string }
  /** Ends it, and withdraws what it has registered or handles. */
  readonly close: () => Promise<void>
}

/**
 * A worker from a command.
 *
 * @since 0.2.0
 * @category models
 */
export interface TestCommandWorker extends TestProcess {
  /** Where it listens; another port after each `restart`. */
  readonly url: () => string
}

/**
 * A worker from a module.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestWorker extends TestProcess {
  readonly request: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, { readonly timeout?: number }>
  ) => Promise<Success>
  readonly notify: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, { readonly timeout?: number }>
  ) => Promise<void>
}

/**
 * A gateway on a free port, with discovery and interception, and workers that end with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestGateway extends TestInterception.TestInterception, AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Starts a worker, from a module or by a command in any language, and waits until it is ready. */
  readonly worker: {
    (options: Worker.WorkerOptions): Promise<TestWorker>
    (options: Worker.CommandWorkerOptions): Promise<TestCommandWorker>
  }
  /** Answers a request of the workers. Of several handlers for one request the newest answers. */
  readonly handle: <Payload, Success, Failure>(
    request: ServerRequest<Payload, Success, Failure>,
    handler: (payload: Payload, caller: ConnectedClient) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
  ) => void
  readonly register: (
    entries: typeof DiscoveryEntry.Encoded | ReadonlyArray<typeof DiscoveryEntry.Encoded>
  ) => Promise<void>
  readonly discover: (api: string) => Promise<string>
  /** The api's registered instances. */
  readonly instances: (api: string) => Promise<ReadonlyArray<Route>>
  /** Every registered instance of every api. */
  readonly routes: () => Promise<ReadonlyArray<Route>>
  /** Ends every worker and every interceptor, then the gateway. */
  readonly close: () => Promise<void>
}

/**
 * Starts a gateway. Rejects with `PortInUse`, `ListenFailed`, `TokenRequired` or `InvalidToken`. Once it is closed, its
 * methods reject with `ConnectionClosed`.
 *
 * @example
 * ```ts
 * import { Intercept, TestGateway } from "effect-ipc/testing"
 * import { IPCClient } from "effect-ipc/promise"
 *
 * const SetLimit = IPCClient.defineRequest<number, void>("config/setLimit")
 *
 * await using gateway = await TestGateway.start()
 * const orders = await gateway.worker({ module: new URL("../orders.js", import.meta.url) })
 * await orders.request(SetLimit, 3)
 *
 * await using users = await gateway.mock(Intercept.get("/users/:id", { api: "users" }), async ({ params }) => ({
 *   id: params["id"],
 *   name: "Ada"
 * }))
 * console.log(await fetch(`${gateway.url}/orders`))
 * console.log(users.calls().map(({ request }) => request.path))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (options?: GatewayTest.GatewayTestOptions): Promise<TestGateway> => {
  const starting = Effect.suspend(() => {
    GatewayTest.checkOptions("TestGateway.start", options)
    return ScopeHandle.make("the gateway", Layer.build(GatewayTest.layer(options)))
  })
  return Promises.run(Effect.map(starting, behindPromises))
}

const behindPromises = ({
  handle,
  value: services
}: Acquired<Context.Context<GatewayTest.GatewayTest>>): TestGateway => {
  const server = Context.get(services, IPCServer)
  const discovery = Context.get(services, Discovery)
  const startWorker = <A, B>(
    starting: Effect.Effect<A, WorkerDied | WorkerStartFailed, IPCServer | Discovery | Scope.Scope>,
    toPromises: (worker: A) => B
  ) =>
    Promises.run(
      Effect.map(
        handle.acquire("worker", "the worker", Effect.provide(starting, services)),
        ({ handle: { close }, value }) => ({ ...toPromises(value), close, [asyncDispose]: close })
      )
    )
  return {
    url: server.url,
    port: server.port,
    ...TestInterception.make(Context.get(services, HttpInterception), handle),
    worker: ((workerOptions: Worker.WorkerOptions) =>
      startWorker<Worker.Worker | Worker.CommandWorker, WithoutClose<TestProcess>>(
        Worker.make(workerOptions),
        (worker) => ("url" in worker ? commandBehindPromises(worker) : workerBehindPromises(worker))
      )) as never,
    handle: <Payload, Success, Failure>(
      request: ServerRequest<Payload, Success, Failure>,
      handler: (payload: Payload, caller: ConnectedClient) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
    ) => {
      CallArguments.checkRequest("handle", request)
      CallArguments.checkFunction("handle", "handler", handler)
      const answer = (payload: Payload, caller: ConnectedClient) =>
        AmbientSpan.tryPromise(
          () => handler(payload, caller),
          (error) => error as HandlerFailure<Failure>
        )
      Promises.runSync(handle.use("handle", server.handle(request, answer)))
    },
    register: (entries) => Promises.run(handle.use("register", discovery.register(entries))),
    discover: (api) =>
      CallArguments.apiIssue("discover", api) ?? Promises.run(handle.use("discover", discovery.discover(api))),
    instances: (api) =>
      CallArguments.apiIssue("instances", api) ?? Promises.run(handle.use("instances", discovery.instances(api))),
    routes: () => Promises.run(handle.use("routes", discovery.routes)),
    close: handle.close,
    [asyncDispose]: handle.close
  }
}

type WithoutClose<A extends TestProcess> = Omit<A, "close" | typeof asyncDispose>

const processBehindPromises = (worker: WorkerControl): WithoutClose<TestProcess> => ({
  runtimeId: worker.runtimeId,
  pid: () => Effect.runSync(worker.pid),
  whileAlive: (work) => Promises.run(worker.whileAlive(AmbientSpan.tryPromise(work, identity))),
  exit: () => Promises.run(worker.exit),
  restart: () => Promises.run(worker.restart),
  stop: () => Promises.run(worker.stop),
  kill: (signal) => Effect.runSync(worker.kill(signal)),
  output: () => Effect.runSync(worker.output)
})

const workerBehindPromises = (worker: Worker.Worker): WithoutClose<TestWorker> => ({
  ...processBehindPromises(worker),
  request: (request, ...args) =>
    CallArguments.sendingIssue("request", request) ?? Promises.run(worker.request(request, ...args)),
  notify: (request, ...args) =>
    CallArguments.sendingIssue("notify", request) ?? Promises.run(worker.notify(request, ...args))
})

const commandBehindPromises = (worker: Worker.CommandWorker): WithoutClose<TestCommandWorker> => ({
  ...processBehindPromises(worker),
  url: () => Effect.runSync(worker.url)
})
