/**
 * A connection that is opened again whenever it is lost, by a schedule, until the scope closes.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import type { Status } from "../IPCClient.js"
import { ConnectFailed } from "../IPCError.js"
import { detached } from "../internal/Detached.js"
import { closeReason, messageOf } from "../internal/ErrorMessage.js"
import { CurrentValue } from "../internal/Events.js"
import { millisOf, timeoutFail } from "../internal/MonotonicTime.js"
import { Waiters } from "../internal/Waiters.js"
import * as Metrics from "../telemetry/Metrics.js"
import { IPCSocket } from "./IPCSocket.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import type { Transport } from "./Transport.js"

/** Opens one connection. The transport is handed over the moment it is open, so that an interruption can't lose it. */
export type Connect = (onOpen: (transport: Transport) => void) => Effect.Effect<void, ConnectFailed>

export interface ReconnectOptions {
  readonly connectTimeout: Duration.Duration
  readonly reconnect: Schedule.Schedule<unknown, ConnectFailed> | false
}

/** What its user sees of it. */
export interface ReconnectingConnection {
  /** The state at present. */
  readonly current: Readonly<Current>
  readonly status: CurrentValue<Status>
  /** Waits until there is an open connection, or there will be none any more. */
  readonly next: Effect.Effect<void>
  /** Waits until there will be no further connection. */
  readonly ended: Effect.Effect<CloseEvent>
}

/** Which connection there is, and why there is none. */
class Current {
  /** The connection in use, or the last one; its own state tells whether it is open. */
  socket: IPCSocket<undefined> | undefined
  /** When the last connection ended, in monotonic milliseconds. */
  lostAt = 0
  /** How the last attempt to connect again failed. */
  lastFailure: ConnectFailed | undefined
  /** Why there will be no further connection. */
  end: CloseEvent | undefined
}

/** Connects, once, and keeps connected until the scope closes. */
export const make: (
  url: string,
  connect: Connect,
  context: IPCSocketContext<undefined>,
  options: ReconnectOptions
) => Effect.Effect<ReconnectingConnection, ConnectFailed, Scope.Scope> = Effect.fnUntraced(function* (
  url,
  connect,
  context,
  { connectTimeout, reconnect }
) {
  const clock = yield* Effect.clock
  const current = new Current()
  const status = new CurrentValue<Status>("reconnecting")
  const ended = yield* Deferred.make<CloseEvent>()
  const waiters = new Waiters()

  const finish = (event: CloseEvent) =>
    Effect.sync(() => {
      current.end ??= event
      Deferred.unsafeDone(ended, Effect.succeed(current.end))
      waiters.announce()
      status.set("closed")
    })

  yield* Effect.addFinalizer(() => {
    const event = { code: CloseCode.Normal, reason: "the client closed" }
    return Effect.zipRight(
      finish(event),
      Effect.suspend(() => current.socket?.close(event) ?? Effect.void)
    )
  })

  const attempt = connect((transport) => {
    // The attempt has ended, so nothing else would close this transport.
    if (current.end !== undefined) return transport.terminate()
    current.socket = new IPCSocket(context, transport, url, undefined)
    Metrics.connections.client(1)
    current.socket.onceClosed(() => Metrics.connections.client(-1))
    waiters.announce()
  }).pipe(
    timeoutFail({
      duration: connectTimeout,
      onTimeout: () =>
        new ConnectFailed({ url, reason: "TimedOut", detail: `no answer within ${Duration.format(connectTimeout)}` })
    }),
    // It may open at the same moment as the limit passes.
    Effect.catchAll((error) => (current.socket?.state === "open" ? Effect.void : Effect.fail(error)))
  )

  const keepConnected = Effect.fnUntraced(function* (
    schedule: Schedule.Schedule<unknown, ConnectFailed>,
    first: IPCSocket<undefined>
  ) {
    const driver = yield* Schedule.driver(schedule)
    const restore: Effect.Effect<void, ConnectFailed> = Effect.catchAll(attempt, (error) => restoreAfter(error))
    const restoreAfter = (error: ConnectFailed): Effect.Effect<void, ConnectFailed> => {
      current.lastFailure = error
      return Effect.matchEffect(driver.next(error), { onFailure: () => Effect.fail(error), onSuccess: () => restore })
    }

    let open: IPCSocket<undefined> | undefined = first
    let lasted = true
    while (open !== undefined) {
      const openedAt = millisOf(clock)
      const event = yield* open.closed
      if (event.code === CloseCode.Replaced) return yield* finish(event)
      current.lostAt = millisOf(clock)
      current.lastFailure = undefined
      status.set("reconnecting")
      yield* Effect.logWarning(`The connection to ${url} closed (${closeReason(event)}); reconnecting`)
      lasted ||= millisOf(clock) - openedAt >= lastingMillis
      if (lasted) yield* driver.reset
      const detail = `the connection closed as soon as it was open (${closeReason(event)})`
      yield* lasted ? restore : restoreAfter(new ConnectFailed({ url, reason: "Refused", detail }))
      status.set("connected")
      lasted = false
      open = current.socket
    }
  })

  yield* attempt
  status.set("connected")
  const first = current.socket
  if (first !== undefined) {
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

  const next = waiters.until(() =>
    current.end !== undefined || current.socket?.state === "open" ? Effect.void : undefined
  )
  return { current, status, next, ended: Deferred.await(ended) }
})

/** How long a connection has to last for its loss to be taken for a new one, in milliseconds. */
const lastingMillis = 1000
