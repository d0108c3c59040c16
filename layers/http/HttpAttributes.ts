/**
 * What spans and metrics say of HTTP, by OpenTelemetry's conventions.
 *
 * @internal
 */
import { STATUS_CODES } from "node:http"
import * as Exit from "effect/Exit"
import type { TracedCall } from "../../src/telemetry/Tracing.js"

/** A method that conventions know: any other doesn't make a name of its own. */
export const knownMethod = (method: string): string | undefined => (known.has(method) ? method : undefined)

/** A span's name. */
export const nameOf = (method: string, route: string | undefined): string => {
  const name = knownMethod(method) ?? "HTTP"
  return route === undefined ? name : `${name} ${route}`
}

export const describeMethod = (call: TracedCall, method: string): void => {
  const name = knownMethod(method)
  call.attribute("http.request.method", name ?? "_OTHER")
  if (name === undefined) call.attribute("http.request.method_original", method)
}

/** A target's path and query. Values that are signatures are left out. */
export const split = (target: string): readonly [path: string, query: string | undefined] => {
  const at = target.indexOf("?")
  if (at === -1) return [target, undefined]
  return [target.slice(0, at), target.slice(at + 1).replace(secrets, "$1$2=REDACTED")]
}

/** The host of a Host header, without its port. */
export const hostOf = (host: string | undefined): string | undefined =>
  host === undefined || host === "" ? undefined : host.replace(/:\d+$/, "")

/** What a span ends with. */
export const exitOf = (status: number, isError: boolean): Exit.Exit<void, HttpError> =>
  isError ? Exit.fail(new HttpError(status)) : Exit.void

/** A response that is an error; its name is the status, as conventions have it. */
class HttpError extends Error {
  constructor(status: number) {
    super(`${status} ${STATUS_CODES[status] ?? ""}`.trimEnd())
    this.name = String(status)
  }
}

/** Those of the conventions, which are RFC 9110's, PATCH and QUERY. */
const known = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"])

const secrets = /(^|&)(AWSAccessKeyId|Signature|sig|X-Goog-Signature)=[^&]*/g
