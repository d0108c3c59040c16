/**
 * One attempt to have a request answered by an upstream, as traces and metrics show it: by OpenTelemetry's conventions for
 * HTTP clients.
 *
 * @internal
 */
import * as Exit from "effect/Exit"
import type { AnySpan } from "effect/Tracer"
import type { Upstream } from "../../../src/HttpGateway.js"
import { httpClientDurations } from "../../../src/telemetry/Metrics.js"
import * as TraceContext from "../../../src/telemetry/TraceContext.js"
import * as Tracing from "../../../src/telemetry/Tracing.js"
import * as HttpAttributes from "../HttpAttributes.js"
import * as BaseUrl from "./BaseUrl.js"
import * as ForwardedHeaders from "./ForwardedHeaders.js"
import type { ForwardedExchange, UpstreamAttempt } from "./Forwarder.js"

export class AttemptCall implements UpstreamAttempt {
  readonly target: string
  readonly headers: ReadonlyArray<string>
  readonly #tracing: Tracing.Tracing
  readonly #method: string
  readonly #upstream: Upstream
  readonly #startTime: bigint
  readonly #call: Tracing.TracedCall | undefined
  #isOver = false

  /** Begins the attempt after so many others. `parent` is the request's own span, where spans are made. */
  constructor(
    tracing: Tracing.Tracing,
    parent: AnySpan | undefined,
    exchange: Pick<ForwardedExchange, "request" | "target" | "headers">,
    upstream: Upstream,
    attempts: number
  ) {
    this.#tracing = tracing
    this.#method = exchange.request.method as string
    this.#upstream = upstream
    this.#startTime = tracing.clock.unsafeCurrentTimeNanos()
    this.target = exchange.target
    this.#call = parent && this.#begin(parent, exchange.target, attempts)
    this.headers = this.#call === undefined ? exchange.headers : headersOf(exchange.headers, this.#call.span)
  }

  end(outcome: number | Error): void {
    if (this.#isOver) return
    this.#isOver = true
    const status = typeof outcome === "number" ? outcome : undefined
    const exit = typeof outcome === "number" ? HttpAttributes.exitOf(outcome, outcome >= 400) : Exit.fail(outcome)
    this.#call?.attribute("http.response.status_code", status)
    this.#call?.end(exit)
    this.#record(status, Exit.isSuccess(exit) ? undefined : Tracing.errorType(exit.cause))
  }

  #begin(parent: AnySpan, target: string, attempts: number): Tracing.TracedCall | undefined {
    const { baseUrl, route } = this.#upstream
    const name = HttpAttributes.nameOf(this.#method, route)
    const call = Tracing.begin(this.#tracing, parent, name, "client", this.#startTime)
    if (call === undefined) return undefined
    HttpAttributes.describeMethod(call, this.#method)
    call.attribute("url.template", route)
    call.attribute("http.request.resend_count", attempts === 0 ? undefined : attempts)
    const server = serverOf(baseUrl)
    const [path, query] = HttpAttributes.split(server.prefix + target)
    call.attribute("server.address", server.address)
    call.attribute("server.port", server.port)
    call.attribute("url.full", server.origin + path + (query === undefined ? "" : `?${query}`))
    return call
  }

  #record(status: number | undefined, errorType: string | undefined): void {
    const { baseUrl, route } = this.#upstream
    const method = HttpAttributes.knownMethod(this.#method) ?? "_OTHER"
    const key = `${method} ${status ?? errorType} ${route ?? ""} ${baseUrl}`
    const series = httpClientDurations.of(key, () => {
      const { address, port } = serverOf(baseUrl)
      return {
        "http.request.method": method,
        "http.response.status_code": status,
        "error.type": errorType,
        "server.address": address,
        "server.port": port,
        "url.template": route
      }
    })
    series(Number(this.#tracing.clock.unsafeCurrentTimeNanos() - this.#startTime) / 1e9)
  }
}

const serverOf = (baseUrl: string) => {
  const { origin = "http://unknown", prefix = "" } = BaseUrl.parseBaseUrl(baseUrl) ?? {}
  const { hostname, port, protocol } = new URL(origin)
  return { origin, prefix, address: hostname, port: Number(port || (protocol === "https:" ? 443 : 80)) }
}

/** What the client said of its own span is said of this one. */
const headersOf = (headers: ReadonlyArray<string>, span: AnySpan): ReadonlyArray<string> => {
  const { traceparent } = TraceContext.ofSpan(span) ?? {}
  if (traceparent === undefined) return headers
  const changed = [...headers]
  for (const name of traceHeaders) ForwardedHeaders.remove(changed, name)
  changed.push("traceparent", traceparent)
  return changed
}

const traceHeaders = ["traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled"]
