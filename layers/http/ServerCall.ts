/**
 * A request to the gateway as traces and metrics show it, by OpenTelemetry's conventions for HTTP servers. Its span is made
 * once its route is known, and it ends with its response.
 *
 * @internal
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { TLSSocket } from "node:tls"
import * as Exit from "effect/Exit"
import type { AnySpan } from "effect/Tracer"
import * as HttpTraceContext from "../../src/telemetry/HttpTraceContext.js"
import * as Tracing from "../../src/telemetry/Tracing.js"
import * as HttpAttributes from "./HttpAttributes.js"
import * as ServerSeries from "./ServerSeries.js"

export class ServerCall {
  readonly #tracing: Tracing.Tracing
  readonly #request: IncomingMessage
  readonly #startTime: bigint
  readonly #scheme: ServerSeries.Scheme
  readonly #series: ServerSeries.ServerSeries
  /** The sender's span; null until it is looked for. */
  #sender: AnySpan | undefined | null = null
  #call: Tracing.TracedCall | undefined
  #route: string | undefined
  #isOver = false

  /** Begins; ends when the response has closed. */
  constructor(tracing: Tracing.Tracing, request: IncomingMessage, response: ServerResponse) {
    this.#tracing = tracing
    this.#request = request
    this.#startTime = tracing.clock.unsafeCurrentTimeNanos()
    response.on("close", onClose)
    this.#scheme = (request.socket as TLSSocket).encrypted === true ? "https" : "http"
    this.#series = ServerSeries.of(request.method as string, this.#scheme)
    this.#series.active(1)
  }

  /** The template that the request matched; of several the first, which answers or passes it on. */
  match(route: string | undefined): void {
    this.#route ??= route
  }

  /**
   * The parent of the spans made while the request is handled, if it is traced: the request's own span, which the first call
   * begins, or its sender's span if this server makes none.
   */
  begin(tracing: Tracing.Tracing = this.#tracing): AnySpan | undefined {
    this.#call ??= this.#begin(tracing)
    return this.#call?.span
  }

  /** Ends with the status of the response, or without one where the client has disconnected. */
  end(status: number | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#series.active(-1)
    const nanos = this.#tracing.clock.unsafeCurrentTimeNanos() - this.#startTime
    this.#series.record(this.#route, status, Number(nanos) / 1e9)
    // What no route took and no upstream had is traced, too.
    if (this.#tracing.isOn) this.begin()
    if (this.#call === undefined) return
    this.#call.attribute("http.response.status_code", status)
    this.#call.end(status === undefined ? disconnected : HttpAttributes.exitOf(status, status >= 500))
  }

  #begin(tracing: Tracing.Tracing): Tracing.TracedCall | undefined {
    if (this.#sender === null) this.#sender = HttpTraceContext.fromHeaders(this.#request.headers)
    if (this.#sender === undefined && !tracing.isOn) return undefined
    const route = this.#route
    const { headers, httpVersion, method = "", socket, url = "" } = this.#request
    const call = Tracing.begin(tracing, this.#sender, HttpAttributes.nameOf(method, route), "server", this.#startTime)
    if (call === undefined) return undefined
    HttpAttributes.describeMethod(call, method)
    const [path, query] = HttpAttributes.split(url)
    call.attribute("url.scheme", this.#scheme)
    call.attribute("url.path", path)
    call.attribute("url.query", query)
    call.attribute("http.route", route)
    call.attribute("server.address", HttpAttributes.hostOf(headers.host) ?? socket.localAddress)
    call.attribute("server.port", socket.localPort)
    call.attribute("client.address", socket.remoteAddress)
    call.attribute("user_agent.original", headers["user-agent"])
    call.attribute("network.protocol.version", httpVersion)
    return call
  }
}

const disconnected = Exit.fail(new Error("The client disconnected before the response had ended"))

/** All that is to happen when the response closes, for one listener: each further one would cost a request a microsecond. */
interface Closing extends ServerResponse {
  readonly call?: ServerCall | undefined
  readonly tellClosed?: () => void
}

function onClose(this: Closing): void {
  this.call?.end(this.writableFinished ? this.statusCode : undefined)
  this.tellClosed?.()
}
