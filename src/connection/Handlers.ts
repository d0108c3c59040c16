/**
 * The handlers of one end, shared by all its connections: registered in a scope, found by name, newest first.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Direction, HandlerFailure, PayloadLimit, Shaped, UntypedRequest } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import type { IPCStream, UntypedStream } from "../IPCStream.js"
import { untypedStream } from "../IPCStream.js"
import type { Execution } from "../internal/Execution.js"
import * as LinkedList from "../internal/LinkedList.js"
import * as RunFork from "../internal/RunFork.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import { total } from "../internal/Total.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Tracing from "../telemetry/Tracing.js"
import type * as Frame from "./Frame.js"
import { failureEncoder, invalidPayload, untypedFailure } from "./HandlerFailures.js"
import type { UntypedStreamHandler } from "./StreamAnswer.js"
import * as StreamAnswer from "./StreamAnswer.js"

/**
 * One registered handler. Its effect succeeds with the encoded result and fails with the encoded failure.
 */
export interface Handler<Caller> extends Registered {
  readonly payloadLimit: PayloadLimit | undefined
  readonly answer: (payload: unknown, caller: Caller) => Effect.Effect<unknown, Frame.Failure>
  readonly durations: Metrics.MethodDurations
  /** How long its responses are, about, in UTF-16 units of their frames; 0 until there was one. */
  responseLength: number
}

/** What all registered handlers have. */
interface Registered {
  readonly name: string
  readonly runFork: RunFork.RunFork
  readonly tracing: Tracing.Tracing
  /** What it is doing now; interrupted when its scope closes. */
  readonly running: LinkedList.LinkedList<Execution<unknown, Frame.Failure>>
  /** Whether its scope has closed. */
  gone: boolean
}

/** One registered handler of a stream. */
export interface StreamingHandler<Caller> extends Registered {
  readonly answer: StreamAnswer.StreamAnswer<Caller>
  /** How many were opened. */
  opened: number
}

/** The handlers of one end. */
export interface Handlers<Caller> {
  readonly get: (name: string) => Handler<Caller> | undefined
  readonly getStream: (name: string) => StreamingHandler<Caller> | undefined
  /** Those that answer now. */
  readonly answering: () => {
    readonly requests: Iterable<Handler<Caller>>
    readonly streams: Iterable<StreamingHandler<Caller>>
  }
  /**
   * Registers until the scope closes. Of several handlers of one request the newest answers; when its scope
   * closes, the one before it answers again. Closing the scope interrupts what the handler is running.
   */
  readonly handle: <D extends Direction, Payload, Success, Failure, R>(
    request: Shaped<D, Payload, Success, Failure>,
    handler: (payload: Payload, caller: Caller) => Effect.Effect<Success, HandlerFailure<Failure>, R>
  ) => Effect.Effect<void, never, R | Scope.Scope>
  /** As `handle`, for a stream. The handler gets the payload, the input where there is one, and the caller. */
  readonly handleStream: <D extends Direction, Payload, Element, Failure, Input, R>(
    stream: IPCStream<D, Payload, Element, Failure, Input>,
    handler: (...args: ReadonlyArray<never>) => Stream.Stream<Element, HandlerFailure<Failure>, R>
  ) => Effect.Effect<void, never, R | Scope.Scope>
}

export const make = <Caller>(): Handlers<Caller> => {
  const requests = new NewestFirst<Handler<Caller>>()
  const streams = new NewestFirst<StreamingHandler<Caller>>()

  const register = Effect.fnUntraced(function* <R>(request: UntypedRequest, handler: UntypedHandler<Caller, R>) {
    const runFork = yield* RunFork.make<R>()
    yield* requests.register({
      name: nameOf(request),
      payloadLimit: typeof request === "string" ? undefined : request.payloadLimit,
      // Its requirements are met by the runtime that runs it.
      answer: answering(request, handler as UntypedHandler<Caller, never>),
      runFork: runFork as RunFork.RunFork,
      tracing: yield* Tracing.current,
      durations: Metrics.serverDurations(nameOf(request)),
      running: new LinkedList.LinkedList(),
      gone: false,
      responseLength: 0
    })
  })

  const registerStream = Effect.fnUntraced(function* <R>(stream: UntypedStream, handler: UntypedStreamHandler<R>) {
    const runFork = yield* RunFork.make<R>()
    yield* streams.register({
      name: stream.name,
      answer: StreamAnswer.make(stream, handler as UntypedStreamHandler<never>),
      runFork: runFork as RunFork.RunFork,
      tracing: yield* Tracing.current,
      running: new LinkedList.LinkedList(),
      gone: false,
      opened: 0
    })
  })

  return {
    get: (name) => requests.get(name),
    getStream: (name) => streams.get(name),
    answering: () => ({ requests: requests.values(), streams: streams.values() }),
    handle: <D extends Direction, P, S, F, R>(
      request: Shaped<D, P, S, F>,
      handler: (payload: P, caller: Caller) => Effect.Effect<S, HandlerFailure<F>, R>
    ) => register(untyped(request), handler as UntypedHandler<Caller, R>),
    handleStream: <D extends Direction, P, E, F, I, R>(
      stream: IPCStream<D, P, E, F, I>,
      handler: (...args: ReadonlyArray<never>) => Stream.Stream<E, HandlerFailure<F>, R>
    ) => registerStream(untypedStream(stream), handler as UntypedStreamHandler<R>)
  }
}

/** Handlers by name; of several of one name the newest answers, and when its scope closes, the one before it answers again. */
class NewestFirst<H extends Registered> {
  private readonly newest = new Map<string, H>()
  private readonly beneath = new Map<string, Array<H>>()

  get(name: string): H | undefined {
    return this.newest.get(name)
  }

  values(): Iterable<H> {
    return this.newest.values()
  }

  /** Until the scope closes, which interrupts what the handler is running. */
  register(handler: H): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => this.add(handler)),
      () => Effect.sync(() => this.remove(handler))
    )
  }

  private add(handler: H): void {
    const { name } = handler
    const current = this.newest.get(name)
    if (current !== undefined) {
      const stack = this.beneath.get(name)
      if (stack === undefined) this.beneath.set(name, [current])
      else stack.push(current)
    }
    this.newest.set(name, handler)
  }

  private remove(handler: H): void {
    const { name } = handler
    const stack = this.beneath.get(name)
    if (this.newest.get(name) !== handler) {
      stack?.splice(stack.indexOf(handler), 1)
    } else {
      const next = stack?.pop()
      if (next === undefined) this.newest.delete(name)
      else this.newest.set(name, next)
    }
    if (stack?.length === 0) this.beneath.delete(name)
    handler.gone = true
    for (const running of handler.running.entries()) running.interrupt()
  }
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

const invalidResult = (issue: ParseResult.ParseIssue): Frame.Failure => ({
  success: false,
  error: `the handler's result doesn't fit its Schema: ${ParseResult.TreeFormatter.formatIssueSync(issue)}`
})
