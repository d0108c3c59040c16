/**
 * The handlers of one end, shared by all its connections: registered in a scope, found by name, newest first.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Scope from "effect/Scope"
import type { Codec, Direction, HandlerFailure, PayloadLimit, Shaped, UntypedRequest } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import { total } from "../internal/CallbackEffect.js"
import { hasStringTag, messageOf } from "../internal/ErrorMessage.js"
import type { Execution } from "../internal/Execution.js"
import * as RunFork from "../internal/RunFork.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import type * as Frame from "./Frame.js"

/**
 * One registered handler. Its effect succeeds with the encoded result and fails with what the wire says of the failure.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handler<Caller> {
  readonly name: string
  readonly payloadLimit: PayloadLimit | undefined
  /** `trace` is what the frame carried behind its id (TraceContext). */
  readonly answer: (
    payload: unknown,
    caller: Caller,
    trace: string | undefined
  ) => Effect.Effect<unknown, Frame.Failure>
  readonly runFork: RunFork.RunFork
  /** What it is doing now; interrupted when its scope closes. */
  readonly running: Set<Execution<unknown, Frame.Failure>>
  /** Whether its scope has closed. */
  gone: boolean
  /** How long its responses are, about, in UTF-16 units of their frames; 0 until there was one. */
  responseLength: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Handlers<Caller> {
  readonly get: (name: string) => Handler<Caller> | undefined
  /**
   * Registers until the scope closes. Of several handlers of one request the newest answers; when it goes, the one
   * beneath is back. Closing the scope interrupts what the handler is running.
   */
  readonly handle: <D extends Direction, Payload, Success, Failure, R>(
    request: Shaped<D, Payload, Success, Failure>,
    handler: (payload: Payload, caller: Caller) => Effect.Effect<Success, HandlerFailure<Failure>, R>
  ) => Effect.Effect<void, never, R | Scope.Scope>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = <Caller>(): Handlers<Caller> => {
  const newest = new Map<string, Handler<Caller>>()
  const beneath = new Map<string, Array<Handler<Caller>>>()

  const add = (name: string, handler: Handler<Caller>) => {
    const current = newest.get(name)
    if (current !== undefined) {
      const stack = beneath.get(name)
      if (stack === undefined) beneath.set(name, [current])
      else stack.push(current)
    }
    newest.set(name, handler)
  }

  const remove = (name: string, handler: Handler<Caller>) => {
    const stack = beneath.get(name)
    if (newest.get(name) !== handler) {
      stack?.splice(stack.indexOf(handler), 1)
    } else {
      const next = stack?.pop()
      if (next === undefined) newest.delete(name)
      else newest.set(name, next)
    }
    if (stack?.length === 0) beneath.delete(name)
    handler.gone = true
    for (const running of handler.running) running.interrupt()
  }

  const register = Effect.fnUntraced(function* <R>(request: UntypedRequest, handler: UntypedHandler<Caller, R>) {
    const runFork = yield* RunFork.make<R>()
    const name = nameOf(request)
    const entry: Handler<Caller> = {
      name,
      payloadLimit: typeof request === "string" ? undefined : request.payloadLimit,
      // Its requirements are met by the runtime that runs it.
      answer: answering(request, handler as UntypedHandler<Caller, never>),
      runFork: runFork as RunFork.RunFork,
      running: new Set(),
      gone: false,
      responseLength: 0
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => add(name, entry)),
      () => Effect.sync(() => remove(name, entry))
    )
  })

  return {
    get: (name) => newest.get(name),
    handle: <D extends Direction, P, S, F, R>(
      request: Shaped<D, P, S, F>,
      handler: (payload: P, caller: Caller) => Effect.Effect<S, HandlerFailure<F>, R>
    ) => register(untyped(request), handler as UntypedHandler<Caller, R>)
  }
}

/**
 * What the wire says of a handler that didn't succeed.
 *
 * @since 0.1.0
 * @category conversions
 */
export const failureOf = (cause: Cause.Cause<Frame.Failure>): Frame.Failure => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure)) return failure.value
  if (Cause.isInterruptedOnly(cause)) return { success: false, error: "the handler was interrupted" }
  return { success: false, error: messageOf(Cause.squash(cause)) }
}

type UntypedHandler<Caller, R> = (payload: unknown, caller: Caller) => Effect.Effect<unknown, unknown, R>

const answering = <Caller>(
  request: UntypedRequest,
  handler: UntypedHandler<Caller, never>
): Handler<Caller>["answer"] => {
  if (typeof request === "string") {
    return (payload, caller) => total(() => SyncEffect.mapError(handler(payload, caller), untypedFailure))
  }
  const encodeFailure = failureEncoder(request.failure)
  // A handler or a Schema may throw before there is an effect to run.
  return (payload, caller) =>
    total(() =>
      SyncEffect.flatMap(SyncEffect.mapError(request.payload.decode(payload), invalidPayload), (decoded) =>
        SyncEffect.flatMap(SyncEffect.catchAll(handler(decoded, caller), encodeFailure), (result) =>
          SyncEffect.mapError(request.success.encode(result), invalidResult)
        )
      )
    )
}

const failureEncoder =
  (codec: Codec<unknown>) =>
  (failure: unknown): Effect.Effect<never, Frame.Failure> =>
    Effect.matchEffect(codec.encode(failure), {
      // Not one of the declared failures: it crosses as its message.
      onFailure: () => Effect.fail(untypedFailure(failure)),
      onSuccess: (encoded) => Effect.fail({ ...untypedFailure(failure), failure: encoded })
    })

const untypedFailure = (failure: unknown): Frame.Failure => {
  const error = messageOf(failure)
  return hasStringTag(failure) ? { success: false, error, tag: failure._tag } : { success: false, error }
}

const invalidPayload = (issue: ParseResult.ParseIssue): Frame.Failure => ({
  success: false,
  error: shortened(ParseResult.TreeFormatter.formatIssueSync(issue)),
  reason: "InvalidPayload"
})

const invalidResult = (issue: ParseResult.ParseIssue): Frame.Failure => ({
  success: false,
  error: `the handler's result doesn't fit its Schema: ${ParseResult.TreeFormatter.formatIssueSync(issue)}`
})

/** An issue repeats what came. */
const shortened = (issue: string): string =>
  issue.length > maxIssueLength ? `${issue.slice(0, maxIssueLength)}…` : issue

const maxIssueLength = 1000
