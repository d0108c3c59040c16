/**
 * Spans of requests, messages and streams, by OpenTelemetry's conventions for remote procedure calls.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { OnEnd, Waiting } from "../internal/CallbackEffect.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import * as TraceContext from "./TraceContext.js"
import * as Tracing from "./Tracing.js"

/** The span of a call that arrived; undefined where nobody traces it. */
export const ofHandler = (
  { name, tracing }: { readonly name: string; readonly tracing: Tracing.Tracing },
  trace: string | undefined,
  caller: unknown,
  isMessage: boolean
): Tracing.TracedCall | undefined =>
  Tracing.make(tracing, trace === undefined ? undefined : TraceContext.parse(trace), () => ({
    name,
    kind: isMessage ? "consumer" : "server",
    attributes: attributesOf(name, callerOf(caller))
  }))

/** A handler's failure as the wire has it. */
interface WireFailure {
  readonly error: string
  readonly reason?: string
  readonly tag?: string
}

export const endOfHandler = (call: Tracing.TracedCall, exit: Exit.Exit<unknown, WireFailure>): void =>
  call.end(Exit.isSuccess(exit) ? exit : Exit.failCause(Cause.map(exit.cause, toError)))

/** What exporters show of a failure is the message of an error. */
const toError = ({ error, reason, tag }: WireFailure): Error => {
  const shown = new Error(error)
  shown.name = reason ?? tag ?? "_OTHER"
  return shown
}

/** What a call goes to, as a span names it. */
export const serverOf = (target: string): Attributes => {
  // URL tells of what it can't parse only by throwing.
  try {
    const { hostname, port } = new URL(target)
    return port === "" ? { "server.address": hostname } : { "server.address": hostname, "server.port": Number(port) }
  } catch {
    return { "server.address": target }
  }
}

/** Begins a request that a traced fiber makes, within a span of its own. */
export const begin = <A, E>(
  fiber: Tracing.AnyFiber,
  name: string,
  server: Attributes,
  onEnd: OnEnd<A, E>,
  send: (onEnd: OnEnd<A, E>, span: Tracer.AnySpan | undefined) => Waiting | undefined
): Waiting | undefined => {
  const call = Tracing.begin(fiber, { name, kind: "client", attributes: attributesOf(name, server) })
  if (call === undefined) return send(onEnd, undefined)
  const waiting = send((result) => {
    const exit = SyncEffect.exitOf(result)
    if (exit !== undefined) call.end(exit)
    onEnd(exit === undefined ? Tracing.endWith(call, result) : result)
  }, call.span)
  if (waiting === undefined) return undefined
  return {
    abandon: () => {
      waiting.abandon()
      call.end(Exit.interrupt(FiberId.none))
    }
  }
}

/** Sends a message within a span of its own, where somebody traces. */
export const message = <A, E, R>(
  name: string,
  server: Attributes,
  send: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) => {
    const call = Tracing.isTraced(fiber)
      ? Tracing.begin(fiber, { name, kind: "producer", attributes: attributesOf(name, server) })
      : undefined
    return call === undefined ? send() : Tracing.endWith(call, Effect.suspend(send))
  })

/** Opens a stream within a span of its own, where somebody traces; it ends with the stream. */
export const stream = <A, E, R>(
  name: string,
  server: Attributes,
  open: () => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> =>
  Stream.unwrap(
    Effect.withFiberRuntime((fiber) => {
      if (!Tracing.isTraced(fiber)) return Effect.succeed(open())
      const options = { name, kind: "client", attributes: attributesOf(name, server) } as const
      return Effect.succeed(
        Stream.unwrapScoped(
          Effect.map(
            Effect.acquireRelease(
              Effect.sync(() => Tracing.begin(fiber, options)),
              (call, exit) => Effect.sync(() => call?.end(exit))
            ),
            (call) =>
              call === undefined ? open() : Stream.provideService(Stream.suspend(open), Tracer.ParentSpan, call.span)
          )
        )
      )
    })
  )

/** Who calls, as far as a handler knows. */
const callerOf = (caller: unknown): Attributes =>
  Predicate.hasProperty(caller, "runtimeId") && typeof caller.runtimeId === "string"
    ? { "effect_ipc.client.runtime_id": caller.runtimeId }
    : {}

const attributesOf = (method: string, peer: Attributes): Attributes => ({
  "rpc.system.name": system,
  "rpc.method": method,
  ...peer
})

const system = "effect-ipc"

export type Attributes = Readonly<Record<string, string | number>>
