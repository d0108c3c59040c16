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
import * as SyncEffect from "../internal/SyncEffect.js"
import type { OnEnd, Waiting } from "../internal/Waiting.js"
import * as TraceContext from "./TraceContext.js"
import * as Tracing from "./Tracing.js"

/** What a call goes to, as its span names it. */
export interface Server {
  readonly address: string
  readonly port?: number | undefined
}

export const serverOf = (target: string): Server => {
  // URL tells of what it can't parse only by throwing.
  try {
    const { hostname, port } = new URL(target)
    return { address: hostname, port: port === "" ? undefined : Number(port) }
  } catch {
    return { address: target }
  }
}

/** The span of a call that has arrived; undefined where it isn't traced. */
export const ofHandler = (
  { name, tracing }: { readonly name: string; readonly tracing: Tracing.Tracing },
  trace: string | undefined,
  caller: unknown,
  kind: "server" | "consumer"
): Tracing.TracedCall | undefined => {
  const parent = trace === undefined ? undefined : TraceContext.parse(trace)
  const call = Tracing.begin(tracing, parent, name, kind)
  if (call === undefined) return undefined
  describe(call, name)
  if (Predicate.hasProperty(caller, "runtimeId") && typeof caller.runtimeId === "string") {
    call.attribute("effect_ipc.client.runtime_id", caller.runtimeId)
  }
  return call
}

export const endOfHandler = (call: Tracing.TracedCall, exit: Exit.Exit<unknown, Tracing.WireFailure>): void =>
  call.end(Exit.isSuccess(exit) ? exit : Exit.failCause(Cause.map(exit.cause, toError)))

/** What exporters show of a failure is the message of an error. */
const toError = (failure: Tracing.WireFailure): Error => {
  const shown = new Error(failure.error)
  shown.name = Tracing.wireType(failure)
  return shown
}

/** Ends with what the request ends with, or early. */
class RequestSpan<A, E> implements Waiting {
  waiting: Waiting | undefined
  readonly onEnd: OnEnd<A, E>

  constructor(
    private readonly call: Tracing.TracedCall,
    onEnd: OnEnd<A, E>
  ) {
    this.onEnd = (result) => {
      const exit = SyncEffect.exitOf(result)
      if (exit === undefined) return onEnd(Tracing.endWith(call, result))
      call.end(exit)
      onEnd(result)
    }
  }

  abandon(): void {
    this.waiting?.abandon()
    this.call.end(Exit.interrupt(FiberId.none))
  }
}

/** Begins a request that a traced fiber makes, within a span of its own. */
export const begin = <A, E>(
  fiber: Tracing.AnyFiber,
  name: string,
  server: Server,
  onEnd: OnEnd<A, E>,
  send: (onEnd: OnEnd<A, E>, span: Tracer.AnySpan | undefined) => Waiting | undefined
): Waiting | undefined => {
  const call = ofCaller(fiber, name, "client", server)
  if (call === undefined) return send(onEnd, undefined)
  const request = new RequestSpan(call, onEnd)
  const waiting = send(request.onEnd, call.span)
  if (waiting === undefined) return undefined
  request.waiting = waiting
  return request
}

/** Sends a message within a span of its own, where it is traced. */
export const message = <A, E, R>(
  name: string,
  server: Server | undefined,
  send: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) => {
    const call = Tracing.isTraced(fiber) ? ofCaller(fiber, name, "producer", server) : undefined
    return call === undefined ? send() : Tracing.endWith(call, Effect.suspend(send))
  })

/** Opens a stream within a span of its own, where it is traced; it ends with the stream. */
export const stream = <A, E, R>(
  name: string,
  server: Server,
  open: () => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> =>
  Stream.unwrap(
    Effect.withFiberRuntime((fiber) =>
      Effect.succeed(Tracing.isTraced(fiber) ? tracedStream(fiber, name, server, open) : open())
    )
  )

const tracedStream = <A, E, R>(
  fiber: Tracing.AnyFiber,
  name: string,
  server: Server,
  open: () => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> =>
  Stream.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => ofCaller(fiber, name, "client", server)),
        (call, exit) => Effect.sync(() => call?.end(exit))
      ),
      (call) =>
        call === undefined ? open() : Stream.provideService(Stream.suspend(open), Tracer.ParentSpan, call.span)
    )
  )

const ofCaller = (
  fiber: Tracing.AnyFiber,
  name: string,
  kind: "client" | "producer",
  server: Server | undefined
): Tracing.TracedCall | undefined => {
  const call = Tracing.begin(Tracing.ofFiber(fiber), fiber.currentSpan, name, kind)
  if (call === undefined) return undefined
  describe(call, name)
  call.attribute("server.address", server?.address)
  call.attribute("server.port", server?.port)
  return call
}

const describe = (call: Tracing.TracedCall, method: string): void => {
  call.attribute("rpc.system.name", Tracing.rpcSystem)
  call.attribute("rpc.method", method)
}
