/**
 * The span of which code without Effect is part, kept across its promises. As long as nothing is traced it costs nothing:
 * `AsyncLocalStorage` slows every promise of the process only once it has been used.
 *
 * @since 0.2.0
 */
import { AsyncLocalStorage } from "node:async_hooks"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { AnySpan } from "effect/Tracer"
import { ParentSpan } from "effect/Tracer"
import * as ActiveSpan from "../../src/telemetry/ActiveSpan.js"
import * as HttpTraceContext from "../../src/telemetry/HttpTraceContext.js"

const storage = new AsyncLocalStorage<AnySpan | undefined>()

export const current = (): AnySpan | undefined => storage.getStore()

/** Calls a function as part of a span, or of none: a socket's events come in the context in which it was opened. */
export const within = <A>(span: AnySpan | undefined, call: () => A): A =>
  storage.getStore() === span ? call() : storage.run(span, call)

/** A stream as part of the present span. */
export const provideToStream = <A, E>(stream: Stream.Stream<A, E>): Stream.Stream<A, E> => {
  const span = current()
  return span === undefined ? stream : Stream.provideService(stream, ParentSpan, span)
}

/** Calls a handler as part of its caller's trace. */
export const callHandler = <A>(call: () => A): A => within(ActiveSpan.current(), call)

/** What a function returns, throws, resolves or rejects with. Interrupting it aborts the signal. */
export const tryPromise = <A, E>(
  call: (signal: AbortSignal) => A | PromiseLike<A>,
  onError: (error: unknown) => E
): Effect.Effect<A, E> =>
  Effect.withFiberRuntime(({ currentSpan }) =>
    Effect.tryPromise({ try: async (signal) => within(currentSpan, () => call(signal)), catch: onError })
  )

/**
 * The headers that name the trace under way: `traceparent`, and `tracestate` and `baggage` where they came with it. Empty
 * outside a handler, and in one whose caller isn't traced. For requests that this library doesn't make.
 *
 * @example
 * ```ts
 * import { IPCServer, traceHeaders } from "effect-ipc/promise"
 *
 * const server = new IPCServer(9000)
 * const Price = IPCServer.defineRequest<string, number>("price")
 * server.onFrameworkMessage(Price, async (item) => {
 *   const response = await fetch(`http://127.0.0.1:4000/prices/${item}`, { headers: traceHeaders() })
 *   return Number(await response.text())
 * })
 * ```
 *
 * @since 0.2.0
 * @category tracing
 */
export const traceHeaders = (): Record<string, string> => {
  const span = current()
  return span === undefined ? {} : HttpTraceContext.toHeaders(span)
}

/**
 * Calls a function as part of the trace that the headers name (`traceparent` or b3, by names in lower case), so that what it
 * requests belongs to that trace. For HTTP servers of other libraries: their requests that came through the gateway have
 * such headers. Without any, the function is part of no trace.
 *
 * @example
 * ```ts
 * import { createServer } from "node:http"
 * import { continueTrace, IPCClient, IPCServer } from "effect-ipc/promise"
 *
 * const Price = IPCServer.defineRequest<string, number>("price")
 * const client = new IPCClient(9000)
 * await client.connect()
 * createServer((request, response) =>
 *   continueTrace(request.headers, async () => {
 *     response.end(String(await client.sendFrameworkRequest(Price, "tea")))
 *   })
 * ).listen(4001)
 * ```
 *
 * @since 0.2.0
 * @category tracing
 */
export const continueTrace = <A>(
  headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>,
  call: () => A
): A => within(HttpTraceContext.fromHeaders(headers), call)
