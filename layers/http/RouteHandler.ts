/**
 * Runs a route's handler for a request: reads the body, calls the handler, sends what it gives.
 *
 * @internal
 */

import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { AnySpan } from "effect/Tracer"
import type { HttpRouteHandler, HttpRouteRequest } from "../../src/HttpGateway.js"
import { logCause } from "../../src/internal/DefectLog.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as Execution from "../../src/internal/Execution.js"
import * as LinkedList from "../../src/internal/LinkedList.js"
import { printable } from "../../src/internal/Printable.js"
import type { RunFork } from "../../src/internal/RunFork.js"
import * as SyncEffect from "../../src/internal/SyncEffect.js"
import * as ActiveSpan from "../../src/telemetry/ActiveSpan.js"
import type { Tracing } from "../../src/telemetry/Tracing.js"
import { type ExchangeMemory, NoRoom } from "./ExchangeMemory.js"
import type { GatewayResponse } from "./GatewayResponse.js"
import * as HttpBody from "./HttpBody.js"
import type { Match } from "./HttpRoutes.js"
import * as JsonResponse from "./JsonResponse.js"
import * as PlatformResponse from "./PlatformResponse.js"
import type { RequestBodies } from "./RequestBodies.js"
import { parseQuery, pathOf } from "./RequestTarget.js"
import * as ValueResponse from "./ValueResponse.js"

/**
 * A handler with the runtime that it was registered in.
 *
 * @internal
 */
export interface RouteHandler {
  readonly handle: (request: IncomingMessage, response: GatewayResponse, match: Match<RouteHandler>) => void
  /** Interrupts the runs in progress, all but the run that asks for it; their clients get a 503. */
  readonly interrupt: Effect.Effect<void>
}

/**
 * What the handlers of one gateway have in progress.
 *
 * @internal
 */
export class RouteRuns {
  readonly #running = new LinkedList.LinkedList<Run>()
  /** Those whose request body is being read, or discarded after an early answer. */
  readonly reading = new Set<GatewayResponse>()

  constructor(
    readonly bodies: RequestBodies,
    readonly memory: ExchangeMemory
  ) {}

  /** Keeps what runs on until it has ended; a client that disconnects interrupts it. */
  add(execution: AnyExecution, response: GatewayResponse, handler: object): Run {
    const run = new Run(execution, response, handler)
    this.#running.add(run)
    response.on("close", run.interrupt)
    return run
  }

  remove(run: Run): void {
    LinkedList.remove(run)
    run.response.off("close", run.interrupt)
    run.onEnd?.()
  }

  /** Interrupts the runs of one handler, all but the run that asks for it. */
  interrupt(handler: object, self: AnyFiber): void {
    for (const run of this.#othersThan(self)) {
      if (run.handler === handler) run.interrupt()
    }
  }

  /** Cuts off every client, interrupts every run and waits for it, all but the run that asks for it. */
  readonly end: Effect.Effect<void> = Effect.withFiberRuntime<void>((self) => {
    for (const response of this.reading) response.destroy()
    return Effect.async<void>((resume) => {
      // Only here, since the fiber may have yielded, and one that has ended never tells.
      const runs = this.#othersThan(self)
      let left = runs.length
      if (left === 0) resume(Effect.void)
      for (const run of runs) {
        run.onEnd = () => {
          if (--left === 0) resume(Effect.void)
        }
        run.response.destroy()
        run.interrupt()
      }
    })
  })

  #othersThan(self: AnyFiber): ReadonlyArray<Run> {
    return this.#running.entries().filter(({ execution }) => !execution.isIn(self))
  }
}

type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

type AnyExecution = Pick<Execution.Execution<unknown, unknown>, "interrupt" | "isIn">

/** A handler that runs on, or the sending of what it gave. */
class Run implements LinkedList.Linked {
  previous: LinkedList.Linked | undefined = undefined
  next: LinkedList.Linked | undefined = undefined
  onEnd: (() => void) | undefined = undefined

  constructor(
    readonly execution: AnyExecution,
    readonly response: GatewayResponse,
    readonly handler: object
  ) {}

  readonly interrupt = (): void => this.execution.interrupt()
}

/**
 * Called with the reason why a handler's request is answered with an error.
 *
 * @internal
 */
export type OnFailure = (message: string, error: unknown) => void

/**
 * @internal
 */
export interface RouteHandlerOptions {
  /** Is told why it answers with an error. */
  readonly onFailure?: OnFailure | undefined
  /** The template of its path, by which traces name it. */
  readonly route?: string | undefined
}

/**
 * The result of a handler that leaves the response to other code.
 *
 * @internal
 */
export const passedOn: unique symbol = Symbol("passed on")

/**
 * Makes a handler ready to run.
 *
 * @internal
 */
export const make = <E, R>(
  handler: HttpRouteHandler<E, R>,
  runFork: RunFork<R>,
  tracing: Tracing,
  runs: RouteRuns,
  { onFailure = nothing, route }: RouteHandlerOptions
): RouteHandler => {
  const parse = HttpBody.parserOf(handler)
  let removed = false

  const handle = (request: IncomingMessage, response: GatewayResponse, match: Match<RouteHandler>) => {
    response.memory = runs.memory
    response.call?.match(route)
    response.call?.begin(tracing)
    if (!HttpBody.isPresent(request)) {
      return call(new RouteRequest(request, match, undefined, HttpBody.EMPTY), response, nothing)
    }
    runs.reading.add(response)
    runs.bodies.read(request, {
      onBytes: (bytes, release) => {
        runs.reading.delete(response)
        let body: unknown
        let forget = nothing
        const end = () => {
          forget()
          release()
        }
        try {
          body = parse(request, bytes, (size) => {
            forget = runs.memory.admit(size)
          })
        } catch (error) {
          end()
          const { status, message } = parseErrorOf(error)
          onFailure(message, error)
          return JsonResponse.sendError(response, status, message)
        }
        call(new RouteRequest(request, match, body, bytes), response, end)
      },
      onRefused: (status, message) => {
        runs.reading.delete(response)
        JsonResponse.sendErrorEarly(request, response, status, message, runs.reading)
      },
      onAborted: () => {
        runs.reading.delete(response)
      }
    })
  }

  const call = (request: RouteRequest, response: GatewayResponse, release: () => void) => {
    if (removed) {
      release()
      return JsonResponse.sendError(response, 503, `The route ${request.method} ${request.path} has just been removed.`)
    }
    const span = response.call?.begin(tracing)
    run(effectOf(request, span), response, span, (exit) => {
      release()
      answer(exit, request, response)
    })
  }

  const effectOf = (request: RouteRequest, span: AnySpan | undefined): Effect.Effect<unknown, E, R> => {
    try {
      return span === undefined ? handler(request) : ActiveSpan.during(span, () => handler(request))
    } catch (defect) {
      return Exit.die(defect)
    }
  }

  /** `onExit` must not throw: it may be called by a fiber. */
  const run = <A, E1>(
    effect: Effect.Effect<A, E1, R>,
    response: GatewayResponse,
    span: AnySpan | undefined,
    onExit: (exit: Exit.Exit<A, E1>) => void
  ) => {
    // A result that is there already needs nothing more.
    const settled = SyncEffect.exitOf(effect)
    if (settled !== undefined) return onExit(settled)
    const execution = Execution.start(effect, runFork, span)
    if (execution.exit !== undefined) return onExit(execution.exit)
    const running = runs.add(execution, response, handler)
    execution.observe((exit) => {
      runs.remove(running)
      onExit(exit)
    })
  }

  const answer = (exit: Exit.Exit<unknown, unknown>, request: RouteRequest, response: GatewayResponse) => {
    if (Exit.isSuccess(exit) && exit.value === passedOn) return
    if (Exit.isFailure(exit)) return fail(exit.cause, request, response)
    if (response.destroyed) return
    try {
      const sending = sendingOf(exit.value, response)
      if (sending === undefined) return JsonResponse.sendValue(response, exit.value)
      run(sending, response, undefined, (sent) => {
        if (Exit.isFailure(sent)) fail(sent.cause, request, response)
      })
    } catch (error) {
      fail(Cause.die(new Error(`The handler's result can't be sent as JSON: ${messageOf(error)}`)), request, response)
    }
  }

  const fail = (cause: Cause.Cause<unknown>, request: RouteRequest, response: GatewayResponse) => {
    if (Cause.isInterruptedOnly(cause)) {
      if (!response.destroyed) {
        JsonResponse.sendError(response, 503, `The handler of ${request.method} ${request.path} was interrupted.`)
      }
      return
    }
    const message = messageOf(Cause.squash(cause))
    onFailure(message, Cause.squash(cause))
    if (Cause.isDie(cause) || response.headersSent) {
      runFork(logCause(`The handler of ${request.method} ${printable(request.path)} failed`, cause))
    }
    if (!response.destroyed) JsonResponse.sendError(response, 500, message)
  }

  const interrupt = Effect.withFiberRuntime<void>((self) => {
    // A handler may close its own route (one that answers once, for example); it is left to finish its answer.
    removed = true
    runs.interrupt(handler, self)
    return Effect.void
  })

  return { handle, interrupt }
}

/** The response to a request whose body couldn't be parsed. */
const parseErrorOf = (error: unknown): { readonly status: number; readonly message: string } => {
  if (error instanceof NoRoom) return error
  const why = error instanceof RangeError ? "The body isn't read" : "The body claims to be JSON and isn't"
  return { status: 400, message: `${why}: ${messageOf(error)}` }
}

/** Of what isn't sent as JSON. */
const sendingOf = (value: unknown, response: GatewayResponse): Effect.Effect<void, unknown> | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  if (PlatformResponse.isPlatformResponse(value)) return PlatformResponse.send(response, value)
  return ValueResponse.send(response, value)
}

const nothing = () => {}

// Getters, since most handlers never read these fields. Of Node's request it keeps what they need alone: whatever a handler's
// generator refers to may stay in memory until the next full collection.
class RouteRequest implements HttpRouteRequest {
  readonly method: string
  readonly params: Readonly<Record<string, string | undefined>>
  readonly body: unknown
  readonly bytes: Uint8Array
  readonly #url: string
  readonly #headers: IncomingHttpHeaders
  readonly #rawQuery: string
  #query: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined

  constructor(source: IncomingMessage, match: Match<unknown>, body: unknown, bytes: Uint8Array) {
    this.method = source.method as string
    this.params = match.params
    this.body = body
    this.bytes = bytes
    this.#url = source.url as string
    this.#headers = source.headers
    this.#rawQuery = match.query
  }

  // What compares or prints a request may make a copy of it, which has no private fields.
  get path(): string {
    return #url in this ? pathOf(this.#url) : ""
  }

  get query(): Readonly<Record<string, string | ReadonlyArray<string>>> {
    if (!(#rawQuery in this)) return {}
    this.#query ??= parseQuery(this.#rawQuery)
    return this.#query
  }

  get headers(): Readonly<Record<string, string>> {
    if (!(#headers in this)) return {}
    const headers = this.#headers
    const cookies = headers["set-cookie"]
    if (cookies !== undefined) return { ...headers, "set-cookie": cookies.join(", ") } as Record<string, string>
    return headers as Record<string, string>
  }
}
