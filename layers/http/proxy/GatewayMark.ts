/**
 * How a gateway knows a request that it has forwarded before: a loop, where an upstream leads back to the gateway.
 *
 * @internal
 */
import { randomBytes } from "node:crypto"
import type { IncomingMessage } from "node:http"

/**
 * The header that each gateway adds its mark to, as RFC 8586 has it for caches. Not `Via`, for which some services send
 * no compressed bodies.
 *
 * @internal
 */
export const HEADER = "x-effect-ipc-loop"

/**
 * The mark of one gateway; no two have the same.
 *
 * @internal
 */
export const make = (): string => randomBytes(9).toString("base64url")

/**
 * Why a request counts as a loop; undefined if it doesn't. A service may forward a request with all its headers through the
 * same gateway, so a first return is no loop. If a proxy on the way drops the mark, the hops in `x-forwarded-for` count.
 *
 * @internal
 */
export const loopOf = (request: IncomingMessage, mark: string): string | undefined => {
  const marks = request.headers[HEADER]
  if (typeof marks === "string") {
    const returns = marks.split(",").filter((one) => one.trim() === mark).length
    if (returns >= MAX_RETURNS) return `has come back to this gateway ${returns} times`
  }
  const forwardedFor = request.headers["x-forwarded-for"]
  if (typeof forwardedFor === "string" && forwardedFor.length > MAX_HOPS) {
    const hops = forwardedFor.split(",").length
    if (hops >= MAX_HOPS) return `has passed ${hops} proxies, by its x-forwarded-for`
  }
  return undefined
}

const MAX_RETURNS = 3
const MAX_HOPS = 10
