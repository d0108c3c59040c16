/**
 * Runs a route's handler for a request: reads the body, calls the handler, sends what it gives.
 *
 * @since 0.1.0
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import { parse as parseQuery } from "node:querystring"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type { HttpRouteHandler, HttpRouteRequest } from "../../src/HttpGateway.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import { printable } from "../../src/internal/Printable.js"
import * as HttpBody from "./HttpBody.js"
import type { Match } from "./HttpRoutes.js"
import * as JsonResponse from "./JsonResponse.js"
import { pathOf } from "./RequestTarget.js"

/**
 * A handler with the runtime of whoever registered it, and its runs in progress.
 *
 * @since 0.1.0
 * @category models
 */
export interface RouteHandler {
  readonly handle: (request: IncomingMessage, response: ServerResponse, match: Match<RouteHandler>) => void
  /** Interrupts the runs in progress, all but the run that asks for it; their clients get a 503. */
  readonly interrupt: Effect.Effect<void>
}

/**
 * The runs in progress and the bodies being read or discarded, of any number of handlers.
 *
 * @since 0.1.0
 * @category models
 */
export class Running {
  readonly fibers = new Map<Fiber.RuntimeFiber<unknown, unknown>, ServerResponse>()
  readonly reading = new Set<ServerResponse>()

  /** Cuts off every client, interrupts every run and waits for it, all but the run that asks for it. */
  readonly end: Effect.Effect<void> = Effect.withFiberRuntime<void>((self) => {
    const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    for (const response of this.reading) response.destroy()
    for (const [fiber, response] of this.fibers) {
      if (fiber === self) continue
      response.destroy()
      fibers.push(fiber)
    }
    return Fiber.interruptAll(fibers)
  })
}

/**
 * Makes a handler ready to run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E, R>(
  handler: HttpRouteHandler<E, R>,
  runtime: Runtime.Runtime<R>,
  maxBodyBytes: number,
  running: Running
): RouteHandler => {
  const fork = Runtime.runFork(runtime)
  const fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  let removed = false

  const handle = (request: IncomingMessage, response: ServerResponse, match: Match<RouteHandler>) => {
    if (!HttpBody.isPresent(request)) return call(new RouteRequest(request, match, undefined, HttpBody.EMPTY), response)
    running.reading.add(response)
    HttpBody.read(request, maxBodyBytes, {
      onBytes: (bytes) => {
        running.reading.delete(response)
        let body: unknown
        try {
          body = HttpBody.parse(request, bytes)
        } catch (error) {
          return JsonResponse.sendError(response, 400, `The body claims to be JSON and isn't: ${messageOf(error)}`)
        }
        call(new RouteRequest(request, match, body, bytes), response)
      },
      onTooLarge: () => {
        running.reading.delete(response)
        JsonResponse.sendErrorEarly(
          request,
          response,
          413,
          `The body is over the limit of ${maxBodyBytes} bytes. Send less, or raise the server's { maxBodyBytes }.`,
          running.reading
        )
      },
      onAborted: () => {
        running.reading.delete(response)
      }
    })
  }

  const call = (request: RouteRequest, response: ServerResponse) => {
    if (removed)
      return JsonResponse.sendError(response, 503, `The route ${request.method} ${request.path} has just gone.`)
    let effect: Effect.Effect<unknown, E, R>
    try {
      effect = handler(request)
    } catch (defect) {
      effect = Effect.die(defect)
    }
    // A result that is there already needs no fiber.
    if (Exit.isExit(effect)) return answer(effect as Exit.Exit<unknown, E>, request, response)
    run(effect, response, (exit) => answer(exit, request, response))
  }

  const run = <A, E1>(
    effect: Effect.Effect<A, E1, R>,
    response: ServerResponse,
    onExit: (exit: Exit.Exit<A, E1>) => void
  ) => {
    const fiber = fork(effect)
    const done = fiber.unsafePoll()
    if (done !== null) return onExit(done)
    const onClose = () => fiber.unsafeInterruptAsFork(FiberId.none)
    fibers.add(fiber)
    running.fibers.set(fiber, response)
    response.once("close", onClose)
    fiber.addObserver((exit) => {
      fibers.delete(fiber)
      running.fibers.delete(fiber)
      response.off("close", onClose)
      onExit(exit)
    })
  }

  const answer = (exit: Exit.Exit<unknown, unknown>, request: RouteRequest, response: ServerResponse) => {
    if (response.destroyed) return
    if (Exit.isFailure(exit)) return fail(exit.cause, request, response)
    if (JsonResponse.isServerResponse(exit.value)) {
      const value = exit.value
      const sending = Effect.flatMap(
        Effect.promise(() => import("./PlatformResponse.js")),
        ({ send }) => send(response, value, request.method === "HEAD")
      )
      return run(sending, response, (sent) => {
        if (Exit.isFailure(sent)) fail(sent.cause, request, response)
      })
    }
    try {
      JsonResponse.sendValue(response, exit.value)
    } catch (error) {
      fail(Cause.die(new Error(`The handler's result can't be sent as JSON: ${messageOf(error)}`)), request, response)
    }
  }

  const fail = (cause: Cause.Cause<unknown>, request: RouteRequest, response: ServerResponse) => {
    if (Cause.isInterruptedOnly(cause)) {
      if (!response.destroyed) {
        JsonResponse.sendError(response, 503, `The handler of ${request.method} ${request.path} was interrupted.`)
      }
      return
    }
    if (Cause.isDie(cause) || response.headersSent) {
      fork(Effect.logError(`The handler of ${request.method} ${printable(request.path)} failed`, cause))
    }
    if (!response.destroyed) JsonResponse.sendError(response, 500, messageOf(Cause.squash(cause)))
  }

  const interrupt = Effect.withFiberRuntime<void>((self) => {
    // A handler may close its own route (one that answers once, say); it is left to finish its answer.
    removed = true
    for (const fiber of fibers) {
      if (fiber !== self) fiber.unsafeInterruptAsFork(FiberId.none)
    }
    return Effect.void
  })

  return { handle, interrupt }
}

// The getters spare what most handlers never look at.
class RouteRequest implements HttpRouteRequest {
  readonly method: string
  readonly params: Readonly<Record<string, string | undefined>>
  readonly body: unknown
  readonly bytes: Uint8Array
  readonly #source: IncomingMessage
  readonly #rawQuery: string
  #query: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined

  constructor(source: IncomingMessage, match: Match<unknown>, body: unknown, bytes: Uint8Array) {
    this.method = source.method as string
    this.params = match.params
    this.body = body
    this.bytes = bytes
    this.#source = source
    this.#rawQuery = match.query
  }

  get path(): string {
    return pathOf(this.#source.url as string)
  }

  get query(): Readonly<Record<string, string | ReadonlyArray<string>>> {
    this.#query ??= parseQuery(this.#rawQuery) as Record<string, string | ReadonlyArray<string>>
    return this.#query
  }

  get headers(): Readonly<Record<string, string>> {
    const headers = this.#source.headers
    const cookies = headers["set-cookie"]
    if (cookies !== undefined) return { ...headers, "set-cookie": cookies.join(", ") } as Record<string, string>
    return headers as Record<string, string>
  }
}
