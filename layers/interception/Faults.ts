/**
 * Faults, applied to one exchange each.
 *
 * @internal
 */
import type { Socket } from "node:net"
import { setImmediate } from "node:timers"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { RuntimeFiber } from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Fault } from "../../src/HttpInterception.js"
import type { Exchange } from "../http/Exchange.js"
import type { GatewayResponse, ResponseTap } from "../http/GatewayResponse.js"
import * as JsonResponse from "../http/JsonResponse.js"

export interface FaultInjector {
  /** Applies the fault; `fail` is told why the response won't be complete. */
  readonly apply: (exchange: Exchange, fail: (reason: string) => void, passOn: (exchange: Exchange) => void) => void
}

/** Injects the fault until the scope closes; exchanges that are delayed then are answered 503. */
export const make = (
  fault: Fault,
  name: string,
  clock: Clock.Clock
): Effect.Effect<FaultInjector, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Pending()),
      (pending) => Effect.sync(() => pending.end())
    ),
    (pending) => ({
      apply: (exchange, fail, passOn) => {
        const { request, response } = exchange
        switch (fault._tag) {
          case "Delay":
            return delay(exchange, passOn, fault.duration, name, clock, pending)
          case "Status":
            return JsonResponse.sendErrorEarly(
              request,
              response,
              fault.status,
              `By the interceptor ${name}.`,
              pending.lingering
            )
          case "Drop":
            fail("the fault dropped the connection")
            response.destroy()
            return
          case "ResetInBody":
            resetInBody(response, fault.afterBytes, fail)
            return passOn(exchange)
        }
      }
    })
  )

/** What has to end with the injector. */
class Pending {
  readonly delays = new Set<RuntimeFiber<void>>()
  /** Responses that were sent before their request had arrived. */
  readonly lingering = new Set<GatewayResponse>()

  end(): void {
    for (const fiber of this.delays) fiber.unsafeInterruptAsFork(fiber.id())
    for (const response of this.lingering) response.destroy()
  }
}

const delay = (
  exchange: Exchange,
  passOn: (exchange: Exchange) => void,
  duration: Duration.DurationInput,
  name: string,
  clock: Clock.Clock,
  { delays, lingering }: Pending
) => {
  const { request, response } = exchange
  const fiber = Effect.runFork(Effect.withClock(Effect.sleep(duration), clock))
  const onClose = () => fiber.unsafeInterruptAsFork(fiber.id())
  delays.add(fiber)
  response.once("close", onClose)
  fiber.addObserver((exit) => {
    delays.delete(fiber)
    response.off("close", onClose)
    if (Exit.isSuccess(exit)) passOn(exchange)
    else if (!response.destroyed)
      JsonResponse.sendErrorEarly(
        request,
        response,
        503,
        `The interceptor ${name} has just been removed. Keep it until the requests that it takes are answered.`,
        lingering
      )
  })
}

const resetInBody = (response: GatewayResponse, afterBytes: number, fail: (reason: string) => void) => {
  let left = afterBytes
  let isCut = false

  const reset = () => {
    fail(`the fault reset the connection after ${afterBytes} bytes of the body`)
    ;(response.socket as Socket | null)?.resetAndDestroy()
    response.destroy()
  }
  const cut = (bytes: Buffer) => {
    isCut = true
    // The reset comes after the operating system has what was written.
    if (left > 0) response.writeAbove(tap, bytes.subarray(0, left), () => setImmediate(reset))
    else {
      response.flushHeaders()
      setImmediate(reset)
    }
  }
  const tap: ResponseTap = {
    onBody: (bytes) => {
      if (isCut) return false
      if (bytes.length > 0 && bytes.length >= left) {
        cut(bytes)
        return false
      }
      left -= bytes.length
      return true
    },
    onEnd: () => !isCut
  }
  response.tap(tap)
}
