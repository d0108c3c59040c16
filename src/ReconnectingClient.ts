/**
 * A client over connections that come and go: whatever opens them, each is used until it ends, then the next is opened.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Deadlines from "./Deadlines.js"
import * as Handlers from "./Handlers.js"
import type { ClientRequestOptions, IPCClient, Status } from "./IPCClient.js"
import type { RequestError } from "./IPCError.js"
import { ConnectFailed, ConnectionClosed, RequestTimeout } from "./IPCError.js"
import type { Direction, RequestOptions, Shaped } from "./IPCRequest.js"
import { nameOf, untyped } from "./IPCRequest.js"
import type { IPCSocketOptions, NotifyError } from "./IPCSocket.js"
import { IPCSocket, makeContext, timeoutMillis } from "./IPCSocket.js"
import type { CloseEvent, Transport } from "./Transport.js"
import { CloseCode } from "./Transport.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface ReconnectingClientOptions extends IPCSocketOptions {
  /** How long one attempt to connect may take. Default 5 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * When to try again after the connection was lost, the first time at once; `false` for never. Default
   * {@link defaultReconnect}.
   */
  readonly reconnect?: Schedule.Schedule<unknown, ConnectFailed> | false | undefined
}

/**
 * Opens one connection. The transport is handed over the moment it is open, so that an interruption can't lose it.
 *
 * @since 0.1.0
 * @category models
 */
export type Connect = (onOpen: (transport: Transport) => void) => Effect.Effect<void, ConnectFailed>

/**
 * Exponential from 25 ms up to a second, with jitter, without end.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultReconnect: Schedule.Schedule<unknown> = Schedule.exponential("25 millis").pipe(
  Schedule.union(Schedule.spaced("1 second")),
  Schedule.jittered
)

/**
 * Connects, once, and keeps connected until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  url: string,
  connect: Connect,
  options: ReconnectingClientOptions
) => Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope> = Effect.fnUntraced(
  function* (url, connect, options) {
    const handlers = Handlers.make<undefined>()
    const clock = yield* Effect.clock
    const context = yield* makeContext(handlers, yield* Deadlines.make, options)
    const status = yield* SubscriptionRef.make<Status>("reconnecting")
    const connectTimeout = Duration.decode(options.connectTimeout ?? "5 seconds")
    const reconnect = options.reconnect ?? defaultReconnect

    /** The connection in use, or the last one; its own state tells whether it is open. */
    let socket: IPCSocket<undefined> | undefined
    /** Why there will be no further connection. */
    let end: CloseEvent | undefined
    const ended = yield* Deferred.make<CloseEvent>()
    const waiting = new Set<() => void>()

    const wake = () => {
      for (const resume of waiting) resume()
      waiting.clear()
    }

    const finish = (event: CloseEvent) =>
      Effect.suspend(() => {
        end ??= event
        Deferred.unsafeDone(ended, Effect.succeed(end))
        wake()
        return SubscriptionRef.set(status, "closed")
      })

    yield* Effect.addFinalizer(() => {
      const event = { code: CloseCode.Normal, reason: "the client closed" }
      return Effect.zipRight(
        finish(event),
        Effect.suspend(() => socket?.close(event) ?? Effect.void)
      )
    })

    const attempt = connect((transport) => {
      socket = new IPCSocket(context, transport, url, undefined)
      wake()
    }).pipe(
      Effect.timeoutFail({
        duration: connectTimeout,
        onTimeout: () =>
          new ConnectFailed({ url, reason: "TimedOut", detail: `no answer within ${Duration.format(connectTimeout)}` })
      }),
      // It may open in the very moment in which the limit passes.
      Effect.catchAll((error) => (socket?.state === "open" ? Effect.void : Effect.fail(error)))
    )

    const keepConnected = Effect.gen(function* () {
      while (socket !== undefined) {
        yield* SubscriptionRef.set(status, "connected")
        const event = yield* socket.closed
        if (event.code === CloseCode.Replaced || reconnect === false) return yield* finish(event)
        yield* SubscriptionRef.set(status, "reconnecting")
        yield* Effect.logWarning(`The connection to ${url} closed (code ${event.code} ${event.reason}); reconnecting`)
        const restored = yield* Effect.either(Effect.retry(attempt, reconnect))
        if (Either.isLeft(restored)) {
          const reason = `reconnecting was given up: ${restored.left.message}`
          return yield* finish({ code: CloseCode.Abnormal, reason })
        }
      }
    })

    yield* attempt
    yield* Effect.forkScoped(keepConnected)

    /** Sends as soon as there is an open connection, and again if wanted, within one deadline. */
    const patiently = <A, E>(
      request: string,
      millis: number,
      send: (open: IPCSocket<undefined>, options: RequestOptions) => Effect.Effect<A, E>,
      idempotent: boolean
    ): Effect.Effect<A, E | ConnectionClosed | RequestTimeout> => {
      const dueAt = clock.unsafeCurrentTimeMillis() + millis
      const timedOut = () => new RequestTimeout({ request, target: url, millis })
      const loop: Effect.Effect<A, E | ConnectionClosed | RequestTimeout> = Effect.suspend(() => {
        if (end !== undefined) return Effect.fail(new ConnectionClosed({ request, target: url, ...end }))
        const timeout = Duration.millis(dueAt - clock.unsafeCurrentTimeMillis())
        if (socket === undefined || socket.state !== "open") {
          return Effect.zipRight(Effect.timeoutFail(nextConnection, { duration: timeout, onTimeout: timedOut }), loop)
        }
        return Effect.catchAll(send(socket, { timeout }), (error): typeof loop => {
          if (error instanceof RequestTimeout) return Effect.fail(timedOut())
          return idempotent && error instanceof ConnectionClosed ? loop : Effect.fail(error)
        })
      })
      return loop
    }

    const nextConnection = Effect.async<void>((resume) => {
      const waiter = () => resume(Effect.void)
      waiting.add(waiter)
      return Effect.sync(() => waiting.delete(waiter))
    })

    const request = <D extends Direction, Payload, Success, Failure>(
      what: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions?: ClientRequestOptions | undefined
    ): Effect.Effect<Success, Failure | RequestError> =>
      Effect.suspend(() =>
        socket?.state === "open" && requestOptions?.idempotent !== true
          ? socket.request(what, payload, requestOptions)
          : patiently(
              nameOf(untyped(what)),
              timeoutMillis(requestOptions, context.requestTimeoutMillis),
              (open, within) => open.request(what, payload, within),
              requestOptions?.idempotent ?? false
            )
      )

    const notify = <D extends Direction, Payload, Success, Failure>(
      what: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions?: RequestOptions | undefined
    ): Effect.Effect<void, NotifyError> =>
      Effect.suspend(() =>
        patiently(
          nameOf(untyped(what)),
          timeoutMillis(requestOptions, context.requestTimeoutMillis),
          (open, within) => open.notify(what, payload, within),
          false
        )
      )

    const service: IPCClient.Service = {
      handle: handlers.handle,
      request: (what, ...[payload, requestOptions]) => request(what, payload, requestOptions),
      notify: (what, ...[payload, requestOptions]) => notify(what, payload, requestOptions),
      status: Stream.takeUntil(status.changes, (current) => current === "closed"),
      closed: Deferred.await(ended)
    }
    return service
  }
)
