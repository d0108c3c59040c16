/**
 * What goes wrong, done to one exchange.
 *
 * @since 0.1.0
 */
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { RuntimeFiber } from "effect/Fiber"
import type { Fault } from "../../src/HttpInterception.js"
import * as JsonResponse from "../http/JsonResponse.js"
import type { Exchange } from "../http/NodeHttpGateway.js"

/**
 * Breaks exchanges until it is ended: then those that wait are answered 503.
 *
 * @since 0.1.0
 * @category models
 */
export interface Breaker {
  readonly breakIt: (exchange: Exchange, fail: (reason: string) => void, passOn: (exchange: Exchange) => void) => void
  readonly end: () => void
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (fault: Fault, name: string, clock: Clock.Clock): Breaker => {
  const waiting = new Set<RuntimeFiber<void>>()
  const lingering = new Set<ServerResponse>()

  const end = () => {
    for (const fiber of waiting) fiber.unsafeInterruptAsFork(fiber.id())
    for (const response of lingering) response.destroy()
  }

  const delay = (exchange: Exchange, passOn: (exchange: Exchange) => void, duration: Duration.DurationInput) => {
    const { request, response } = exchange
    const fiber = Effect.runFork(Effect.withClock(Effect.sleep(duration), clock))
    const onClose = () => fiber.unsafeInterruptAsFork(fiber.id())
    waiting.add(fiber)
    response.once("close", onClose)
    fiber.addObserver((exit) => {
      waiting.delete(fiber)
      response.off("close", onClose)
      if (Exit.isSuccess(exit)) passOn(exchange)
      else if (!response.destroyed)
        JsonResponse.sendErrorEarly(request, response, 503, `The interceptor ${name} has just gone.`, lingering)
    })
  }

  const breakIt: Breaker["breakIt"] = (exchange, fail, passOn) => {
    const { request, response } = exchange
    switch (fault._tag) {
      case "Delay":
        return delay(exchange, passOn, fault.duration)
      case "Status":
        return JsonResponse.sendErrorEarly(request, response, fault.status, `By the interceptor ${name}.`, lingering)
      case "Drop":
        fail("the fault dropped the connection")
        response.destroy()
        return
      case "ResetInBody":
        resetInBody(response, fault.afterBytes, fail)
        return passOn(exchange)
    }
  }
  return { breakIt, end }
}

const resetInBody = (response: ServerResponse, afterBytes: number, fail: (reason: string) => void) => {
  const { end, write } = response
  let left = afterBytes
  let broken = false

  const reset = () => {
    fail(`the fault reset the connection after ${afterBytes} bytes of the body`)
    ;(response.socket as Socket | null)?.resetAndDestroy()
    response.destroy()
  }
  const breakOff = (bytes: Buffer) => {
    broken = true
    // What was written is with the operating system before the reset is.
    if (left > 0) write.call(response, bytes.subarray(0, left), "latin1", () => setImmediate(reset))
    else {
      response.flushHeaders()
      setImmediate(reset)
    }
  }
  const takes = (chunk: unknown, encoding: unknown): boolean => {
    if (broken) return true
    if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) return false
    const bytes =
      typeof chunk === "string"
        ? Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8")
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (bytes.length === 0 || bytes.length < left) {
      left -= bytes.length
      return false
    }
    breakOff(bytes)
    return true
  }
  Object.assign(response, {
    write(this: ServerResponse, ...args: Parameters<typeof write>) {
      return takes(args[0], args[1]) ? true : write.apply(this, args)
    },
    end(this: ServerResponse, ...args: Parameters<typeof end>) {
      return takes(args[0], args[1]) ? this : end.apply(this, args)
    }
  })
}
