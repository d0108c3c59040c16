/**
 * The span of one attempt to have a request answered by an upstream, by OpenTelemetry's conventions for HTTP clients.
 *
 * @internal
 */
import * as Exit from "effect/Exit"
import type { AnySpan } from "effect/Tracer"
import type { Upstream } from "../../../src/HttpGateway.js"
import * as TraceContext from "../../../src/telemetry/TraceContext.js"
import * as Tracing from "../../../src/telemetry/Tracing.js"
import * as HttpAttributes from "../HttpAttributes.js"
import * as BaseUrl from "./BaseUrl.js"
import * as ForwardedHeaders from "./ForwardedHeaders.js"
import type { ForwardedExchange, UpstreamAttempt } from "./Forwarder.js"

/** Begins the attempt after so many others. */
export const begin = (
  tracing: Tracing.Tracing,
  parent: AnySpan,
  exchange: ForwardedExchange,
  upstream: Upstream,
  attempts: number
): UpstreamAttempt | undefined => {
  const call = Tracing.make(tracing, parent, () => optionsOf(exchange, upstream, attempts))
  if (call === undefined) return undefined
  return {
    headers: headersOf(exchange.headers, call.span),
    end: (outcome) =>
      typeof outcome === "number"
        ? call.end(HttpAttributes.exitOf(outcome, outcome >= 400), { "http.response.status_code": outcome })
        : call.end(Exit.fail(outcome))
  }
}

const optionsOf = (
  { request, target }: ForwardedExchange,
  upstream: Upstream,
  attempts: number
): Tracing.SpanOptions => {
  const [name, attributes] = HttpAttributes.ofMethod(request.method as string)
  const base = BaseUrl.parseBaseUrl(upstream.baseUrl)
  const { hostname, port, protocol } = new URL(base?.origin ?? "http://unknown")
  const [path, query] = HttpAttributes.split(target)
  const url = `${base?.origin ?? ""}${base?.prefix ?? ""}${path}`
  return {
    name: upstream.route === undefined ? name : `${name} ${upstream.route}`,
    kind: "client",
    attributes: {
      ...attributes,
      "server.address": hostname,
      "server.port": Number(port || (protocol === "https:" ? 443 : 80)),
      "url.full": query === undefined ? url : `${url}?${query}`,
      "url.template": upstream.route,
      "http.request.resend_count": attempts === 0 ? undefined : attempts
    }
  }
}

/** What the client said of its own span is said of this one. */
const headersOf = (headers: ReadonlyArray<string>, span: AnySpan): ReadonlyArray<string> => {
  const { traceparent } = TraceContext.ofSpan(span) ?? {}
  if (traceparent === undefined) return headers
  const changed = [...headers]
  for (const name of ["traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled"]) {
    ForwardedHeaders.remove(changed, name)
  }
  changed.push("traceparent", traceparent)
  return changed
}
