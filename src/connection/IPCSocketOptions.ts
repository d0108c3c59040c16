/**
 * How connections behave, and what all connections of one end share.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ClientRequestOptions } from "../IPCClient.js"
import type { RequestOptions } from "../IPCRequest.js"
import { durationIssue, flagIssue, refuse } from "../internal/ArgumentIssue.js"
import type { CallLog } from "../internal/CallLog.js"
import { CurrentCallLog } from "../internal/CallLog.js"
import type { Deadlines } from "../internal/Deadlines.js"
import { check, type OptionNames } from "../internal/OptionNames.js"
import * as RunFork from "../internal/RunFork.js"
import { wholeNumber } from "../internal/WholeNumber.js"
import type { Budget } from "../MemoryBudget.js"
import { MemoryBudget } from "../MemoryBudget.js"
import { CallTimer } from "../telemetry/CallTimer.js"
import type { Handlers } from "./Handlers.js"
import type { Credit } from "./Hello.js"

/**
 * How connections behave; the same options at both ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface IPCSocketOptions {
  /** How long a request waits for its response unless it has a `timeout` of its own. Default 10 seconds. */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /** How often a ping is sent; a peer silent for two is dropped. Default 15 seconds. */
  readonly heartbeat?: Duration.DurationInput | undefined
  /**
   * Past this many unsent bytes a sender waits, and no further request of the peer is handled. As many bytes of its requests
   * wait then; what is beyond is answered with a failure at once. Default 16 MiB. For the bound over all connections see
   * `MemoryBudget`.
   */
  readonly highWaterMark?: number | undefined
  /**
   * Past this many handlers in flight on one connection, its requests wait. Of streams four times as many may run, and what is
   * beyond is answered with a failure at once. Default 1,024.
   */
  readonly maxHandlersInFlight?: number | undefined
  /** A larger frame, in bytes, isn't sent, and closes the connection it arrives on. Default 16 MiB. */
  readonly maxFrameBytes?: number | undefined
}

/**
 * The options with their defaults filled in, and what all connections of one end share.
 *
 * @internal
 */
export interface IPCSocketContext<Caller> extends SharedContext {
  readonly handlers: Handlers<Caller>
}

/** @internal */
export interface SharedContext {
  readonly clock: Clock.Clock
  readonly timer: CallTimer
  readonly deadlines: Deadlines
  readonly runFork: RunFork.RunFork
  readonly requestTimeoutMillis: number
  readonly heartbeatMillis: number
  readonly highWaterMark: number
  readonly maxHandlersInFlight: number
  readonly maxFrameBytes: number
  /** What a peer's requests may be before more is granted, where it understands that. */
  readonly requestCredit: Credit
  readonly budget: Budget
  /** Where this end's own requests and streams are shown while an inspector watches. */
  readonly calls: CallLog
}

/**
 * What the connections of one end share, made once.
 *
 * @internal
 */
export const makeContext = Effect.fnUntraced(function* <Caller>(
  handlers: Handlers<Caller>,
  deadlines: Deadlines,
  options: IPCSocketOptions
) {
  const highWaterMark = wholeNumber(options.highWaterMark, 16 * 1024 * 1024)
  const maxHandlersInFlight = wholeNumber(options.maxHandlersInFlight, 1024)
  const clock = yield* Effect.clock
  const context: IPCSocketContext<Caller> = {
    clock,
    timer: new CallTimer(clock),
    handlers,
    deadlines,
    runFork: yield* RunFork.make(),
    requestTimeoutMillis: Duration.toMillis(options.requestTimeout ?? defaultRequestTimeoutMillis),
    heartbeatMillis: Duration.toMillis(options.heartbeat ?? "15 seconds"),
    highWaterMark,
    maxHandlersInFlight,
    requestCredit: { count: maxHandlersInFlight, bytes: highWaterMark },
    maxFrameBytes: wholeNumber(options.maxFrameBytes, defaultMaxFrameBytes),
    budget: yield* MemoryBudget,
    calls: yield* CurrentCallLog
  }
  return context
})

/**
 * How long a request waits where no timeout is given, in milliseconds: 10 seconds.
 *
 * @internal
 */
export const defaultRequestTimeoutMillis = 10_000

/**
 * The limit of a frame in bytes where none is given: 16 MiB.
 *
 * @internal
 */
export const defaultMaxFrameBytes = 16 * 1024 * 1024

/**
 * The timeout of a request, whose options are checked here: this is where each request reads them. Throws a `TypeError`
 * where they are wrong.
 *
 * @internal
 */
export const timeoutMillis = (options: RequestOptions | undefined, otherwise: number): number => {
  if (options === undefined) return otherwise
  // The full check costs more than the rest of a small request.
  if (typeof options !== "object") check("A request", options, requestOptionNames)
  for (const name in options) if (!(name in requestOptionNames)) check("A request", options, requestOptionNames)
  const { timeout } = options
  return timeout === undefined ? otherwise : millisOf("A request", "timeout", timeout)
}

/**
 * A duration of an option. Throws a `TypeError` that names the option where it is none.
 *
 * @internal
 */
export const millisOf = (call: string, name: string, duration: Duration.DurationInput): number => {
  try {
    return Duration.toMillis(duration)
  } catch {
    refuse(call, durationIssue(name, duration))
    return 0
  }
}

const requestOptionNames: OptionNames<ClientRequestOptions> = {
  timeout: durationIssue,
  idempotent: flagIssue
}
