/**
 * A client over connections that come and go: whatever opens them, each is used until it ends, then the next is opened.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AnySpan } from "effect/Tracer"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import type { ClientRequestOptions, IPCClient, Status } from "../IPCClient.js"
import type { FrameTooLarge, NotifyError, RequestError } from "../IPCError.js"
import { ConnectFailed, ConnectionClosed, RequestTimeout } from "../IPCError.js"
import type { Direction, RequestOptions, Shaped } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import type { UntypedStream } from "../IPCStream.js"
import { streamArguments, untypedStream } from "../IPCStream.js"
import type { OnEnd, Waiting } from "../internal/CallbackEffect.js"
import { CallbackEffect } from "../internal/CallbackEffect.js"
import * as Deadlines from "../internal/Deadlines.js"
import { detached } from "../internal/Detached.js"
import { closeReason, messageOf } from "../internal/ErrorMessage.js"
import { CurrentValue } from "../internal/Events.js"
import { millisOf, timeoutFail } from "../internal/MonotonicTime.js"
import { Waiters } from "../internal/Waiters.js"
import * as CallSpan from "../telemetry/CallSpan.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Tracing from "../telemetry/Tracing.js"
import * as Handlers from "./Handlers.js"
import { IPCSocket } from "./IPCSocket.js"
import type { IPCSocketOptions } from "./IPCSocketOptions.js"
import { makeContext, timeoutMillis } from "./IPCSocketOptions.js"
import { acceptMillis } from "./OutgoingStreams.js"
import type { Transport } from "./Transport.js"

/**
 * How a client connects, and connects again.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReconnectingClientOptions extends IPCSocketOptions {
  /** How long one attempt to connect may take. Default 5 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * When to try again after the connection was lost, the first time at once; `false` for never. The schedule begins anew
   * with each connection that lasts a second; one that doesn't counts as an attempt that failed. Default
   * {@link defaultReconnect}.
   */
  readonly reconnect?: Schedule.Schedule<unknown, ConnectFailed> | false | undefined
}

/**
 * Opens one connection. The transport is handed over the moment it is open, so that an interruption can't lose it.
 *
 * @internal
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
 * @internal
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
    const status = new CurrentValue<Status>("reconnecting")
    const server = CallSpan.serverOf(url)
    const connectTimeout = Duration.decode(options.connectTimeout ?? "5 seconds")
    const reconnect = options.reconnect ?? defaultReconnect

    /** The connection in use, or the last one; its own state tells whether it is open. */
    let socket: IPCSocket<undefined> | undefined
    /** When the last connection ended, in monotonic milliseconds, and how the last attempt at the next one failed. */
    let lostAt = 0
    let lastFailure: ConnectFailed | undefined
    /** Why there will be no further connection. */
    let end: CloseEvent | undefined
    const ended = yield* Deferred.make<CloseEvent>()
    const waiters = new Waiters()

    const finish = (event: CloseEvent) =>
      Effect.sync(() => {
        end ??= event
        Deferred.unsafeDone(ended, Effect.succeed(end))
        waiters.announce()
        status.set("closed")
      })

    yield* Effect.addFinalizer(() => {
      const event = { code: CloseCode.Normal, reason: "the client closed" }
      return Effect.zipRight(
        finish(event),
        Effect.suspend(() => socket?.close(event) ?? Effect.void)
      )
    })

    const attempt = connect((transport) => {
      // The attempt has ended, so nothing else would close this transport.
      if (end !== undefined) return transport.terminate()
      socket = new IPCSocket(context, transport, url, undefined)
      Metrics.connections.client(1)
      socket.onceClosed(() => Metrics.connections.client(-1))
      waiters.announce()
    }).pipe(
      timeoutFail({
        duration: connectTimeout,
        onTimeout: () =>
          new ConnectFailed({ url, reason: "TimedOut", detail: `no answer within ${Duration.format(connectTimeout)}` })
      }),
      // It may open at the same moment as the limit passes.
      Effect.catchAll((error) => (socket?.state === "open" ? Effect.void : Effect.fail(error)))
    )

    const keepConnected = Effect.fnUntraced(function* (
      schedule: Schedule.Schedule<unknown, ConnectFailed>,
      first: IPCSocket<undefined>
    ) {
      const driver = yield* Schedule.driver(schedule)
      const restore: Effect.Effect<void, ConnectFailed> = Effect.catchAll(attempt, (error) => restoreAfter(error))
      const restoreAfter = (error: ConnectFailed): Effect.Effect<void, ConnectFailed> => {
        lastFailure = error
        return Effect.matchEffect(driver.next(error), { onFailure: () => Effect.fail(error), onSuccess: () => restore })
      }

      let current: IPCSocket<undefined> | undefined = first
      let lasted = true
      while (current !== undefined) {
        const openedAt = millisOf(clock)
        const event = yield* current.closed
        if (event.code === CloseCode.Replaced) return yield* finish(event)
        lostAt = millisOf(clock)
        lastFailure = undefined
        status.set("reconnecting")
        yield* Effect.logWarning(`The connection to ${url} closed (${closeReason(event)}); reconnecting`)
        lasted ||= millisOf(clock) - openedAt >= lastingMillis
        if (lasted) yield* driver.reset
        const detail = `the connection closed as soon as it was open (${closeReason(event)})`
        yield* lasted ? restore : restoreAfter(new ConnectFailed({ url, reason: "Refused", detail }))
        status.set("connected")
        lasted = false
        current = socket
      }
    })

    yield* attempt
    status.set("connected")
    if (socket !== undefined) {
      const first: IPCSocket<undefined> = socket
      const kept = reconnect === false ? Effect.flatMap(first.closed, finish) : keepConnected(reconnect, first)
      yield* kept.pipe(
        Effect.catchAllCause((cause) => {
          if (Cause.isInterruptedOnly(cause)) return Effect.void
          const reason = `reconnecting was given up: ${messageOf(Cause.squash(cause))}`
          const given = finish({ code: CloseCode.Abnormal, reason })
          return Cause.isDie(cause)
            ? Effect.zipRight(Effect.logError(`Reconnecting to ${url} failed unexpectedly`, cause), given)
            : given
        }),
        // Also where the client is made within an uninterruptible region, the end of the scope ends it.
        Effect.interruptible,
        detached,
        Effect.forkScoped
      )
    }

    /** Sends as soon as there is an open connection, and again if wanted, within one deadline. */
    const patiently = <A, E>(
      request: string,
      millis: number,
      send: (open: IPCSocket<undefined>, options: RequestOptions) => Effect.Effect<A, E>,
      idempotent: boolean
    ): Effect.Effect<A, E | ConnectionClosed | FrameTooLarge | RequestTimeout> => {
      const dueAt = millisOf(clock) + millis
      const timedOut = () => new RequestTimeout({ request, target: url, millis })
      const neverSent = () => {
        Metrics.clientDurations(request).record(millis / 1000, "RequestTimeout")
        const since = Duration.format(Duration.millis(Math.round(millisOf(clock) - lostAt)))
        const last = lastFailure === undefined ? "" : `, and the last attempt to connect failed: ${lastFailure.detail}`
        return new RequestTimeout({
          request,
          target: url,
          millis,
          unsent: `the connection was lost ${since} ago${last}`
        })
      }
      const loop: Effect.Effect<A, E | ConnectionClosed | FrameTooLarge | RequestTimeout> = Effect.suspend(() => {
        if (end !== undefined) {
          Metrics.clientDurations(request).record(0, "ConnectionClosed")
          return Effect.fail(new ConnectionClosed({ request, target: url, ...end }))
        }
        const timeout = Duration.millis(Math.max(Math.ceil(dueAt - millisOf(clock)), 0))
        if (socket === undefined || socket.state !== "open") {
          return Effect.zipRight(Effect.timeoutFail(nextConnection, { duration: timeout, onTimeout: neverSent }), loop)
        }
        const used = socket
        return Effect.catchAll(send(used, { timeout }), (error): typeof loop => {
          // A failure that the request itself declares may be of these classes too.
          const isOurTimeout = error instanceof RequestTimeout && millisOf(clock) >= dueAt - 1
          if (isOurTimeout) return Effect.fail(timedOut())
          const isOurEnd = error instanceof ConnectionClosed && used.state !== "open"
          if (!idempotent || !isOurEnd) return Effect.fail(error)
          const refusal = used.refusal(error)
          return refusal === undefined ? loop : Effect.fail(refusal)
        })
      })
      return loop
    }

    const nextConnection = waiters.until(() =>
      end !== undefined || socket?.state === "open" ? Effect.void : undefined
    )

    const begin = <D extends Direction, Payload, Success, Failure>(
      what: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions: ClientRequestOptions | undefined,
      onEnd: OnEnd<Success, Failure | RequestError>,
      span: AnySpan | undefined
    ): Waiting | undefined => {
      if (socket?.state === "open" && requestOptions?.idempotent !== true) {
        return socket.begin(what, payload, requestOptions, onEnd, span)
      }
      onEnd(
        patiently(
          nameOf(untyped(what)),
          timeoutMillis(requestOptions, context.requestTimeoutMillis),
          (open, within) => open.request(what, payload, within),
          requestOptions?.idempotent ?? false
        )
      )
      return undefined
    }

    const request = <D extends Direction, Payload, Success, Failure>(
      what: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions?: ClientRequestOptions | undefined
    ): Effect.Effect<Success, Failure | RequestError> =>
      new CallbackEffect((onEnd, fiber) =>
        Tracing.isTraced(fiber)
          ? CallSpan.begin(fiber, nameOf(untyped(what)), server, onEnd, (onSpanEnd, span) =>
              begin(what, payload, requestOptions, onSpanEnd, span)
            )
          : begin(what, payload, requestOptions, onEnd, undefined)
      )

    const notify = <D extends Direction, Payload, Success, Failure>(
      what: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions?: RequestOptions | undefined
    ): Effect.Effect<void, NotifyError> =>
      CallSpan.message(nameOf(untyped(what)), server, () =>
        socket?.state === "open"
          ? socket.notify(what, payload, requestOptions)
          : patiently(
              nameOf(untyped(what)),
              timeoutMillis(requestOptions, context.requestTimeoutMillis),
              (open, within) => open.notify(what, payload, within),
              false
            )
      )

    const stream = (
      definition: UntypedStream,
      args: ReadonlyArray<unknown>
    ): Stream.Stream<unknown, unknown, unknown> =>
      CallSpan.stream(definition.name, server, () => {
        const { input, options, payload } = streamArguments(definition, args)
        const millis = acceptMillis(options, context.requestTimeoutMillis)
        return Stream.unwrap(
          patiently(
            definition.name,
            millis,
            (open, { timeout }) =>
              Effect.succeed(open.stream(definition, payload, input, { ...options, acceptTimeout: timeout })),
            false
          )
        )
      })

    const service: IPCClient.Service = {
      handle: handlers.handle,
      handleStream: (definition, handler) => handlers.handleStream(definition, handler as never),
      // The peer's elements are taken to be of the stream's declared type.
      stream: (definition, ...args) => stream(untypedStream(definition), args) as never,
      request: (what, ...[payload, requestOptions]) => request(what, payload, requestOptions),
      notify: (what, ...[payload, requestOptions]) => notify(what, payload, requestOptions),
      status: Stream.takeUntil(status.changes, (current) => current === "closed"),
      closed: Deferred.await(ended)
    }
    return service
  }
)

/** How long a connection has to last for its loss to be taken for a new one, in milliseconds. */
const lastingMillis = 1000
