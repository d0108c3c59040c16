/**
 * A client of a service's instances: each request goes to the one that the strategy chooses, over a connection that is
 * opened when it is first chosen.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AnySpan } from "effect/Tracer"
import { PCGRandom } from "effect/Utils"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import * as Handlers from "../connection/Handlers.js"
import type { IPCSocketOptions } from "../connection/IPCSocketOptions.js"
import { makeContext, timeoutMillis } from "../connection/IPCSocketOptions.js"
import { acceptMillis } from "../connection/OutgoingStreams.js"
import type { Member } from "../discovery/Member.js"
import * as StrategyLog from "../discovery/StrategyLog.js"
import type { ClientRequestOptions, Status } from "../IPCClient.js"
import type { NotifyError, RequestError, ServiceNotRegistered } from "../IPCError.js"
import type { Direction, RequestOptions, Shaped } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import type { UntypedStream } from "../IPCStream.js"
import { streamArguments, untypedStream } from "../IPCStream.js"
import { CallbackEffect } from "../internal/CallbackEffect.js"
import * as Deadlines from "../internal/Deadlines.js"
import { CurrentValue } from "../internal/Events.js"
import { millisOf } from "../internal/MonotonicTime.js"
import type { OnEnd, Waiting } from "../internal/Waiting.js"
import type { Service, Services } from "../Services.js"
import * as CallSpan from "../telemetry/CallSpan.js"
import * as Tracing from "../telemetry/Tracing.js"
import type { Endpoint } from "./Endpoint.js"
import * as EndpointConnections from "./EndpointConnections.js"
import { EndpointPool } from "./EndpointPool.js"
import * as PatientSending from "./PatientSending.js"
import type { ServiceEndpoints } from "./ServiceEndpoints.js"
import * as Protocol from "./ServiceProtocol.js"

export interface ServiceClientContext extends Pick<Member, "known" | "strategyOf" | "onStrategySet"> {
  readonly endpoints: ServiceEndpoints
  readonly connection: IPCSocketOptions
  /** The name by which instances call the client, until the scope closes. No other client of the api has it. */
  readonly nameFor: (api: string) => Effect.Effect<string, never, Scope.Scope>
}

export const connect = (services: ServiceClientContext): Services["connect"] =>
  Effect.fnUntraced(function* (api, options) {
    const scope = yield* Effect.scope
    const clock = yield* Effect.clock
    const handlers = Handlers.make<Endpoint>()
    const { connection, endpoints, known } = services
    const requestTimeout = options.requestTimeout ?? connection.requestTimeout
    const deadlines = yield* Deadlines.make
    const context = yield* makeContext(handlers, deadlines, { ...connection, requestTimeout })
    const connectTimeout = Duration.decode(options.connectTimeout ?? "5 seconds")
    const runtimeId = yield* services.nameFor(api)
    const server = CallSpan.serverOf(api)
    const status = new CurrentValue<Status>("reconnecting")
    const strategyLog = yield* StrategyLog.make
    const generator = new PCGRandom(yield* Random.nextIntBetween(0, 0x7fffffff))
    let end: CloseEvent | undefined
    const pool = new EndpointPool({
      api,
      deadlines,
      now: () => millisOf(clock),
      random: () => generator.number(),
      strategy: (name) => services.strategyOf(api, name),
      onFallback: (strategy, cause) => strategyLog.onFallback?.({ api, strategy, cause }),
      onDeclined: (strategy) => strategyLog.onDeclined?.({ api, strategy }),
      onConnected: (isConnected) => {
        if (end === undefined) status.set(isConnected ? "connected" : "reconnecting")
      }
    })
    const ended = yield* Deferred.make<CloseEvent>()
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        end = { code: CloseCode.Normal, reason: "the client closed" }
        Deferred.unsafeDone(ended, Effect.succeed(end))
        const sockets = pool.close(end)
        return Effect.zipRight(
          Effect.forEach(sockets, (socket) => socket.closed, { concurrency: "unbounded", discard: true }),
          Effect.sync(() => status.set("closed"))
        )
      })
    )
    yield* handlers.handle(Protocol.Withdrawing, (_, endpoint) => Effect.sync(() => pool.withdraw(endpoint)))
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        for (const route of known.routes()) pool.onChange({ _tag: "Registered", route })
        return [known.subscribe((change) => pool.onChange(change)), services.onStrategySet(() => pool.restart())]
      }),
      (subscriptions) =>
        Effect.sync(() => {
          for (const unsubscribe of subscriptions) unsubscribe()
        })
    )

    const awaitConnection = EndpointConnections.awaiting({
      api,
      pool,
      context,
      endpoints,
      runtimeId,
      connectTimeout,
      isOver: () => end !== undefined,
      scope
    })
    const patiently = PatientSending.make({
      api,
      pool,
      known,
      clock,
      where: endpoints.where,
      end: () => end,
      awaitConnection
    })

    const entered = <A, E>(endpoint: Endpoint, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        pool.enter(endpoint)
        return Effect.ensuring(
          effect,
          Effect.sync(() => pool.leave(endpoint))
        )
      })

    const request = <D extends Direction, Payload, Success, Failure>(
      what: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions?: ClientRequestOptions | undefined
    ): Effect.Effect<Success, Failure | RequestError | ServiceNotRegistered> => {
      type End = OnEnd<Success, Failure | RequestError | ServiceNotRegistered>
      const name = nameOf(untyped(what))
      const send = (onEnd: End, span: AnySpan | undefined): Waiting | undefined => {
        const idempotent = requestOptions?.idempotent === true
        const chosen = idempotent ? undefined : pool.choose(name)
        const socket = chosen?.state.socket
        if (chosen !== undefined && socket?.state === "open") {
          const exchange = new Exchange(pool, chosen, onEnd)
          try {
            exchange.waiting = socket.begin(what, payload, requestOptions, exchange.onEnd, span)
          } catch (defect) {
            exchange.abandon()
            throw defect
          }
          return exchange
        }
        onEnd(
          patiently(
            name,
            timeoutMillis(requestOptions, context.requestTimeoutMillis),
            (endpoint, open, within) => entered(endpoint, open.request(what, payload, within)),
            idempotent,
            chosen
          )
        )
        return undefined
      }
      return new CallbackEffect((onEnd, fiber) =>
        Tracing.isTraced(fiber) ? CallSpan.begin(fiber, name, server, onEnd, send) : send(onEnd, undefined)
      )
    }

    const notify = <D extends Direction, Payload, Success, Failure>(
      what: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions?: RequestOptions | undefined
    ): Effect.Effect<void, NotifyError | ServiceNotRegistered> => {
      const name = nameOf(untyped(what))
      return CallSpan.message(name, server, () =>
        patiently(
          name,
          timeoutMillis(requestOptions, context.requestTimeoutMillis),
          (endpoint, open, within) => entered(endpoint, open.notify(what, payload, within)),
          false
        )
      )
    }

    const stream = (
      definition: UntypedStream,
      args: ReadonlyArray<unknown>
    ): Stream.Stream<unknown, unknown, unknown> =>
      CallSpan.stream(definition.name, server, () => {
        const { input, options: streamOptions, payload } = streamArguments(definition, args)
        const opened = patiently(
          definition.name,
          acceptMillis(streamOptions, context.requestTimeoutMillis),
          (endpoint, open, { timeout }) =>
            Effect.succeed(
              Stream.unwrapScoped(
                Effect.as(
                  Effect.acquireRelease(
                    Effect.sync(() => pool.enter(endpoint)),
                    () => Effect.sync(() => pool.leave(endpoint))
                  ),
                  open.stream(definition, payload, input, { ...streamOptions, acceptTimeout: timeout })
                )
              )
            ),
          false
        )
        return Stream.unwrap(opened)
      })

    const service: Service = {
      handle: (what, handler) => handlers.handle(what, (payload) => handler(payload)),
      handleStream: (definition, handler) =>
        // Which instance asks isn't told.
        handlers.handleStream(definition, (...args) =>
          (handler as (...args: ReadonlyArray<unknown>) => ReturnType<typeof handler>)(...args.slice(0, -1), undefined)
        ),
      // The peer's elements are taken to be of the stream's declared type.
      stream: (definition, ...args) => stream(untypedStream(definition), args) as never,
      request: (what, ...[payload, requestOptions]) => request(what, payload, requestOptions),
      notify: (what, ...[payload, requestOptions]) => notify(what, payload, requestOptions),
      status: Stream.takeUntil(status.changes, (current) => current === "closed"),
      closed: Deferred.await(ended)
    }
    return service
  })

/** One request in flight at an instance. */
class Exchange<A, E> implements Waiting {
  waiting: Waiting | undefined
  private isOver = false

  constructor(
    private readonly pool: EndpointPool,
    private readonly endpoint: Endpoint,
    private readonly resume: OnEnd<A, E>
  ) {
    pool.enter(endpoint)
  }

  readonly onEnd: OnEnd<A, E> = (result) => {
    this.finish()
    this.resume(result)
  }

  abandon(): void {
    this.finish()
    this.waiting?.abandon()
  }

  private finish(): void {
    if (this.isOver) return
    this.isOver = true
    this.pool.leave(this.endpoint)
  }
}
