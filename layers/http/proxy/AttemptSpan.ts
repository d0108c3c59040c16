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
  exchange: Pick<ForwardedExchange, "request" | "target" | "headers">,
  upstream: Upstream,
  attempts: number
): UpstreamAttempt | undefined => {
  const { request, target } = exchange
  const method = request.method as string
  const call = Tracing.begin(tracing, parent, HttpAttributes.nameOf(method, upstream.route), "client")
  if (call === undefined) return undefined
  HttpAttributes.describeMethod(call, method)
  call.attribute("url.template", upstream.route)
  call.attribute("http.request.resend_count", attempts === 0 ? undefined : attempts)
  describeUrl(call, upstream.baseUrl, target)
  return {
    target,
    headers: headersOf(exchange.headers, call.span),
    end: (outcome) => {
      if (typeof outcome !== "number") return call.end(Exit.fail(outcome))
      call.attribute("http.response.status_code", outcome)
      call.end(HttpAttributes.exitOf(outcome, outcome >= 400))
    }
  }
}

const describeUrl = (call: Tracing.TracedCall, baseUrl: string, target: string): void => {
  const base = BaseUrl.parseBaseUrl(baseUrl)
  if (base === undefined) return
  const { hostname, port, protocol } = new URL(base.origin)
  const [path, query] = HttpAttributes.split(base.prefix + target)
  call.attribute("server.address", hostname)
  call.attribute("server.port", Number(port || (protocol === "https:" ? 443 : 80)))
  call.attribute("url.full", base.origin + path + (query === undefined ? "" : `?${query}`))
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
