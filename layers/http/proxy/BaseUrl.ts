/**
 * What a resolver answered, made safe to use.
 *
 * @internal
 */
import type { Upstream } from "../../../src/HttpGateway.js"

/**
 * Where a base URL leads: the origin to connect to and the path to put before each request's own.
 *
 * @internal
 */
export interface BaseUrl {
  readonly origin: string
  readonly prefix: string
  /** Of a TLS upstream: its own name or address, not the one that the client has asked the gateway for. */
  readonly servername: string | undefined
}

/**
 * The base URL taken apart, or undefined when it isn't one of http, https, ws or wss.
 *
 * @internal
 */
export const parseBaseUrl = (baseUrl: string): BaseUrl | undefined => {
  const known = parsed.get(baseUrl)
  if (known !== undefined) return known
  if (!URL.canParse(baseUrl)) return undefined
  // A WebSocket is opened by an HTTP request to the same place (RFC 6455 section 3).
  const url = new URL(baseUrl.replace(/^ws(?=s?:)/i, "http"))
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined
  const result: BaseUrl = {
    origin: url.origin,
    prefix: url.pathname.replace(/\/+$/, ""),
    servername: url.protocol === "https:" ? url.hostname.replace(/^\[|\]$/g, "") : undefined
  }
  // Services that come and go on free ports would fill it for ever.
  if (parsed.size >= MAX_PARSED) parsed.clear()
  parsed.set(baseUrl, result)
  return result
}

/**
 * An upstream from what a resolver returned, or undefined when it is neither a URL nor an upstream.
 *
 * @internal
 */
export const fromResolved = (resolved: unknown): Upstream | undefined => {
  if (typeof resolved === "string") return { baseUrl: resolved }
  if (
    typeof resolved === "object" &&
    resolved !== null &&
    "baseUrl" in resolved &&
    typeof resolved.baseUrl === "string"
  ) {
    return resolved as Upstream
  }
  return undefined
}

const parsed = new Map<string, BaseUrl>()

const MAX_PARSED = 1_000

/**
 * The upstream to try after one, or undefined where there is none. `onDefect` is told what its `next()` threw.
 *
 * @internal
 */
export const nextOf = (upstream: Upstream, onDefect: (what: string, defect: unknown) => void): Upstream | undefined => {
  try {
    return fromResolved(upstream.next?.())
  } catch (defect) {
    onDefect("An upstream's next() threw", defect)
    return undefined
  }
}
