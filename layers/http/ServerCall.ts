/**
 * A request to the gateway as traces show it: a span by OpenTelemetry's conventions for HTTP servers, made once its route is
 * known and ended with its response.
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

export class ServerCall {
  readonly #tracing: Tracing.Tracing
  readonly #request: IncomingMessage
  readonly #startTime: bigint
  #call: Tracing.TracedCall | undefined

  /** Begins; ends when the response has closed. */
  constructor(tracing: Tracing.Tracing, request: IncomingMessage, response: ServerResponse) {
    this.#tracing = tracing
    this.#request = request
    this.#startTime = tracing.clock.unsafeCurrentTimeNanos()
    response.on("close", onClose)
  }

  /**
   * The parent of what is done for the request, where anybody traces: its span, made at the first call, or its sender's
   * where no span is made here. `route` is the template that the request matched.
   */
  begin(route: string | undefined, tracing: Tracing.Tracing = this.#tracing): AnySpan | undefined {
    this.#call ??= Tracing.make(
      tracing,
      HttpTraceContext.fromHeaders(this.#request.headers),
      () => this.#span(route),
      this.#startTime
    )
    return this.#call?.span
  }

  /** Ends with the status of the response, or without one where the client has disconnected. */
  end(status: number | undefined): void {
    // Also what no route took and no upstream had is traced.
    if (this.#tracing.isOn) this.begin(undefined)
    if (status === undefined)
      return this.#call?.end(Exit.fail(new Error("The client disconnected before the response had ended")))
    this.#call?.end(HttpAttributes.exitOf(status, status >= 500), { "http.response.status_code": status })
  }

  #span(route: string | undefined): Tracing.SpanOptions {
    const request = this.#request
    const { headers, socket } = request
    const [method, attributes] = HttpAttributes.ofMethod(request.method as string)
    const [path = "", query] = HttpAttributes.split(request.url as string)
    return {
      name: route === undefined ? method : `${method} ${route}`,
      kind: "server",
      attributes: {
        ...attributes,
        "url.scheme": (socket as TLSSocket).encrypted === true ? "https" : "http",
        "url.path": path,
        "url.query": query,
        "http.route": route,
        "server.address": HttpAttributes.hostOf(headers.host) ?? socket.localAddress,
        "server.port": socket.localPort,
        "client.address": socket.remoteAddress,
        "user_agent.original": headers["user-agent"],
        "network.protocol.version": request.httpVersion
      }
    }
  }
}

function onClose(this: ServerResponse & { readonly call?: ServerCall | undefined }): void {
  this.call?.end(this.writableFinished ? this.statusCode : undefined)
}
