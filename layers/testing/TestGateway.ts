/**
 * A suite's gateway and its workers, for tests that don't use Effect.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import type { ConnectedClient } from "../../src/ConnectedClients.js"
import { Discovery } from "../../src/Discovery.js"
import type { Arguments, ClientRequest, HandlerFailure, ServerRequest } from "../../src/IPCRequest.js"
import { IPCServer } from "../../src/IPCServer.js"
import type { DiscoveryEntry } from "../../src/RouteTable.js"
import * as Promises from "../promise/Promises.js"
import * as GatewayTest from "./GatewayTest.js"
import * as Worker from "./Worker.js"
import type { WorkerExit } from "./WorkerProcess.js"

/**
 * `Worker` behind promises. They reject as its effects fail.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestWorker extends AsyncDisposable {
  readonly runtimeId: string
  readonly pid: () => number
  readonly request: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, { readonly timeout?: number }>
  ) => Promise<Success>
  readonly notify: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, { readonly timeout?: number }>
  ) => Promise<void>
  /** Resolves when its process has ended. */
  readonly exit: () => Promise<WorkerExit>
  readonly restart: () => Promise<void>
  readonly kill: (signal: NodeJS.Signals) => void
  readonly output: () => { readonly stdout: string; readonly stderr: string }
  /** Ends it for good. */
  readonly close: () => Promise<void>
}

/**
 * A gateway on a free port, with discovery, and workers that end with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestGateway extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Starts a worker and waits until it is ready. */
  readonly worker: (options: Worker.WorkerOptions) => Promise<TestWorker>
  /** Answers a request of the workers. Of several handlers of one request the newest answers. */
  readonly handle: <Payload, Success, Failure>(
    request: ServerRequest<Payload, Success, Failure>,
    handler: (payload: Payload, caller: ConnectedClient) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
  ) => void
  readonly register: (entries: ReadonlyArray<typeof DiscoveryEntry.Encoded>) => Promise<void>
  readonly discover: (api: string) => Promise<string>
  /** Ends every worker, then the gateway. */
  readonly close: () => Promise<void>
}

/**
 * Starts a gateway.
 *
 * @example
 * ```ts
 * import { TestGateway } from "effect-ipc/testing"
 * import { IPCClient } from "effect-ipc/promise"
 *
 * const SetLimit = IPCClient.defineRequest<number, void>("config/setLimit")
 *
 * await using gateway = await TestGateway.start()
 * const orders = await gateway.worker({ module: new URL("./orders.js", import.meta.url) })
 * await orders.request(SetLimit, 3)
 * console.log(await fetch(`${gateway.url}/orders`))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = async (options?: GatewayTest.GatewayTestOptions): Promise<TestGateway> => {
  const runtime = ManagedRuntime.make(GatewayTest.layer(options))
  const [server, discovery] = await runtime.runPromise(Effect.all([IPCServer, Discovery]))
  const scope = Effect.runSync(Scope.make())
  const close = () => Promises.run(Effect.zipRight(Scope.close(scope, Exit.void), runtime.disposeEffect))
  return {
    url: server.url,
    port: server.port,
    worker: (workerOptions) =>
      Promises.run(Effect.provideService(startWorker(workerOptions, scope), IPCServer, server)),
    handle: <Payload, Success, Failure>(
      request: ServerRequest<Payload, Success, Failure>,
      handler: (payload: Payload, caller: ConnectedClient) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
    ) => {
      const answer = (payload: Payload, caller: ConnectedClient) =>
        Effect.tryPromise({
          try: async () => handler(payload, caller),
          catch: (error) => error as HandlerFailure<Failure>
        })
      Promises.runSync(Scope.extend(server.handle(request, answer), scope))
    },
    register: (entries) => Promises.run(Scope.extend(discovery.register(entries), scope)),
    discover: (api) => Promises.run(discovery.discover(api)),
    close,
    [Symbol.asyncDispose]: close
  }
}

const startWorker = Effect.fnUntraced(function* (options: Worker.WorkerOptions, parent: Scope.Scope) {
  const scope = yield* Scope.fork(parent, ExecutionStrategy.sequential)
  const worker = yield* Scope.extend(Worker.make(options), scope).pipe(
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  const close = () => Promises.run(Scope.close(scope, Exit.void))
  const result: TestWorker = {
    runtimeId: worker.runtimeId,
    pid: () => Effect.runSync(worker.pid),
    request: (request, ...args) => Promises.run(worker.request(request, ...args)),
    notify: (request, ...args) => Promises.run(worker.notify(request, ...args)),
    exit: () => Promises.run(worker.exit),
    restart: () => Promises.run(worker.restart),
    kill: (signal) => Effect.runSync(worker.kill(signal)),
    output: () => Effect.runSync(worker.output),
    close,
    [Symbol.asyncDispose]: close
  }
  return result
})
