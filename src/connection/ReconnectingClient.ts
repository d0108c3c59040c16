/**
 * A client that sends over whichever connection is open, and waits for the next one while there is none.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AnySpan } from "effect/Tracer"
import type { ClientRequestOptions, IPCClient } from "../IPCClient.js"
import type { FrameTooLarge, NotifyError, RequestError } from "../IPCError.js"
import { type ConnectFailed, ConnectionClosed, RequestTimeout } from "../IPCError.js"
import type { Direction, RequestOptions, Shaped } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import type { UntypedStream } from "../IPCStream.js"
import { streamArguments, untypedStream } from "../IPCStream.js"
import { CallbackEffect } from "../internal/CallbackEffect.js"
import * as Deadlines from "../internal/Deadlines.js"
import { millisOf } from "../internal/MonotonicTime.js"
import type { OnEnd, Waiting } from "../internal/Waiting.js"
import * as CallSpan from "../telemetry/CallSpan.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Tracing from "../telemetry/Tracing.js"
import * as Handlers from "./Handlers.js"
import type { IPCSocket } from "./IPCSocket.js"
import type { IPCSocketOptions } from "./IPCSocketOptions.js"
import { makeContext, timeoutMillis } from "./IPCSocketOptions.js"
import { acceptMillis } from "./OutgoingStreams.js"
import type { Connect } from "./ReconnectingConnection.js"
import * as ReconnectingConnection from "./ReconnectingConnection.js"

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
    const server = CallSpan.serverOf(url)
    const connection = yield* ReconnectingConnection.make(url, connect, context, {
      connectTimeout: Duration.decode(options.connectTimeout ?? "5 seconds"),
      reconnect: options.reconnect ?? defaultReconnect
    })
    const { current } = connection

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
        const since = Duration.format(Duration.millis(Math.round(millisOf(clock) - current.lostAt)))
        const { lastFailure } = current
        const last = lastFailure === undefined ? "" : `, and the last attempt to connect failed: ${lastFailure.detail}`
        return new RequestTimeout({
          request,
          target: url,
          millis,
          unsent: `the connection was lost ${since} ago${last}`
        })
      }
      const loop: Effect.Effect<A, E | ConnectionClosed | FrameTooLarge | RequestTimeout> = Effect.suspend(() => {
        const { end, socket } = current
        if (end !== undefined) {
          Metrics.clientDurations(request).record(0, "ConnectionClosed")
          return Effect.fail(new ConnectionClosed({ request, target: url, ...end }))
        }
        const timeout = Duration.millis(Math.max(Math.ceil(dueAt - millisOf(clock)), 0))
        if (socket === undefined || socket.state !== "open") {
          return Effect.zipRight(Effect.timeoutFail(connection.next, { duration: timeout, onTimeout: neverSent }), loop)
        }
        return Effect.catchAll(send(socket, { timeout }), (error): typeof loop => {
          // A failure that the request itself declares may be of these classes too.
          const isOurTimeout = error instanceof RequestTimeout && millisOf(clock) >= dueAt - 1
          if (isOurTimeout) return Effect.fail(timedOut())
          const isOurEnd = error instanceof ConnectionClosed && socket.state !== "open"
          if (!idempotent || !isOurEnd) return Effect.fail(error)
          const refusal = socket.refusal(error)
          return refusal === undefined ? loop : Effect.fail(refusal)
        })
      })
      return loop
    }

    const begin = <D extends Direction, Payload, Success, Failure>(
      what: Shaped<D, Payload, Success, Failure>,
      payload: unknown,
      requestOptions: ClientRequestOptions | undefined,
      onEnd: OnEnd<Success, Failure | RequestError>,
      span: AnySpan | undefined
    ): Waiting | undefined => {
      const { socket } = current
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
        current.socket?.state === "open"
          ? current.socket.notify(what, payload, requestOptions)
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
      status: Stream.takeUntil(connection.status.changes, (status) => status === "closed"),
      closed: connection.ended
    }
    return service
  }
)
