/**
 * One request on its way through the proxy and its response on the way back.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { Dispatcher } from "undici"
import type { Upstream } from "../../../src/HttpGateway.js"
import * as HttpBody from "../HttpBody.js"
import { RequestBody } from "../RequestBody.js"
import * as BaseUrl from "./BaseUrl.js"
import * as ForwardedHeaders from "./ForwardedHeaders.js"
import type { ForwardedExchange, Upgrade } from "./Forwarder.js"
import * as UpgradedSocket from "./UpgradedSocket.js"
import type { UpstreamPool } from "./UpstreamPool.js"

/**
 * What the exchanges of a proxy share.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyContext {
  readonly pool: UpstreamPool
  readonly exchanges: Set<ProxyExchange>
  /** Told of what the resolver's own functions threw. */
  readonly onDefect: (what: string, defect: unknown) => void
}

/**
 * Relays a request to an upstream and the upstream's response to the client, both streamed. It is its own handler of
 * the dispatcher's events, so that a request costs one object.
 *
 * - Nothing sent yet and the upstream can't be reached: on to `upstream.next()`.
 * - A GET, HEAD or OPTIONS without body whose connection broke before a byte of the response: once more, on a new
 *   connection (RFC 9110 section 9.2.2); a kept-alive one may have been stale. Where that breaks too, the upstream is
 *   on its way out (a dying process still accepts for a moment): on to `upstream.next()`, once.
 * - Otherwise 502, or 504 for a timeout; with the response begun, the client's connection is cut.
 *
 * @since 0.1.0
 * @category models
 */
export class ProxyExchange implements Dispatcher.DispatchHandler {
  readonly #context: ProxyContext
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #upgrade: Upgrade | undefined
  readonly #target: string
  readonly #headers: Array<string>
  readonly #refuse: ForwardedExchange["refuse"]
  #upstream: Upstream
  #body: RequestBody | null
  #controller: Dispatcher.DispatchController | undefined
  #bodyBytesLeft = -1
  #sent = false
  #responding = false
  #retried = false
  /** Whether the present attempt is the second at the same upstream. */
  #again = false
  #released = false
  #settled = false
  #waitsForDrain = false
  #unwatch: (() => void) | undefined

  constructor(context: ProxyContext, { refuse, request, response, target, upgrade, upstream }: ForwardedExchange) {
    this.#refuse = refuse
    this.#context = context
    this.#request = request
    this.#response = response
    this.#target = target
    this.#upstream = upstream
    this.#upgrade = upgrade
    this.#headers = ForwardedHeaders.ofRequest(request)
    this.#body = upgrade === undefined && HttpBody.isPresent(request) ? new RequestBody(request) : null
    if (upgrade !== undefined) {
      ForwardedHeaders.remove(this.#headers, "content-length")
      this.#unwatch = UpgradedSocket.watchEnd(upgrade.socket)
    }
    context.exchanges.add(this)
    response.once("close", () => this.abort())
  }

  /** Sends the request to the upstream. */
  dispatch(): void {
    const base = BaseUrl.parseBaseUrl(this.#upstream.baseUrl)
    if (base === undefined) {
      this.#fail(
        502,
        `The upstream for ${this.#target} is ${JSON.stringify(this.#upstream.baseUrl)}, which is no http URL. The proxy resolver returns one like http://127.0.0.1:3000.`
      )
      return
    }
    const options: Dispatcher.DispatchOptions = {
      origin: base.origin,
      path: base.prefix === "" ? this.#target : base.prefix + this.#target,
      method: this.#request.method as Dispatcher.HttpMethod,
      headers: this.#headers,
      body: this.#body
    }
    if (this.#upgrade !== undefined) options.upgrade = this.#request.headers.upgrade ?? "websocket"
    if (base.servername !== undefined) Object.assign(options, { servername: base.servername })
    // An upgrade takes its connection for good, so it gets one that can't be stale.
    if (this.#retried || this.#upgrade !== undefined) this.#context.pool.dispatchOnNewConnection(options, this)
    else this.#context.pool.dispatch(options, this)
  }

  /** Ends the exchange on both sides with what it has got to. */
  abort(): void {
    if (this.#settled) return
    this.#settle()
    this.#controller?.abort(new Error("The client has gone"))
    this.#response.destroy()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) {
      controller.abort(new Error("The client has gone"))
      return
    }
    this.#controller = controller
    this.#sent = true
  }

  onResponseStarted(): void {
    this.#responding = true
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, status: number, _headers: unknown, socket: Duplex): void {
    const upgrade = this.#upgrade
    if (upgrade === undefined || this.#settled || upgrade.socket.destroyed) {
      socket.destroy()
      return
    }
    const client = upgrade.socket
    this.#controller = undefined
    this.#unwatch?.()
    UpgradedSocket.takeFrom(this.#response, client)
    client.write(
      `HTTP/1.1 ${status} Switching Protocols\r\n${ForwardedHeaders.ofUpgrade(rawOf(controller.rawHeaders))}\r\n`,
      "latin1"
    )
    upgrade.onSwitched?.(socket, rawOf(controller.rawHeaders))
    if (upgrade.head.length > 0) socket.write(upgrade.head)
    UpgradedSocket.join(client, socket, () => this.#settle())
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusMessage?: string
  ): void {
    if (this.#settled) return
    if (status < 200) {
      // Informational responses are for whoever asked for them, and nobody here did; a 101 here is none that was asked for.
      if (status === 101) controller.abort(new Error("It switched protocols without naming the one it switched to"))
      return
    }
    this.#unwatch?.()
    const response = this.#response
    const headers = ForwardedHeaders.ofResponse(rawOf(controller.rawHeaders))
    const length = ForwardedHeaders.get(headers, "content-length")
    const hasBody = this.#request.method !== "HEAD" && status !== 204 && status !== 304
    // Node refuses to announce trailers where it can't send them.
    if (!hasBody || length !== undefined || this.#request.httpVersionMinor === 0)
      ForwardedHeaders.remove(headers, "trailer")
    response.writeHead(status, statusMessage ?? "", headers)
    if (!hasBody) {
      // Now, not when the dispatcher sees the end: it takes the content-length of a 304 for that of a body to come.
      response.end()
      return
    }
    if (length !== undefined) this.#bodyBytesLeft = Number(length)
    process.nextTick(flush, response)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const response = this.#response
    if (this.#settled || response.writableEnded) return
    if (chunk.length === this.#bodyBytesLeft) {
      // As a string, a small body goes out in one piece with the headers; Latin-1 has a character for each byte.
      if (chunk.length <= SMALL) response.end(chunk.toString("latin1"), "latin1")
      else response.end(chunk)
      return
    }
    this.#bodyBytesLeft -= chunk.length
    if (response.write(chunk)) return
    controller.pause()
    if (this.#waitsForDrain) return
    this.#waitsForDrain = true
    response.once("drain", () => {
      this.#waitsForDrain = false
      this.#controller?.resume()
    })
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#settled) return
    const response = this.#response
    if (!response.writableEnded) {
      const trailers = rawOf(controller.rawTrailers)
      if (trailers.length > 0) response.addTrailers(ForwardedHeaders.ofTrailers(trailers))
      response.end()
    }
    this.#settle()
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#settled) return
    const response = this.#response
    if (response.headersSent) {
      const complete = response.writableEnded
      this.#settle()
      // What was announced didn't come whole, and the client must see that.
      if (!complete) response.destroy()
      return
    }
    const broke = this.#sent && this.#isRepeatable() && BROKEN.has(codeOf(error))
    if (broke && !this.#retried) {
      this.#retried = true
      this.#again = true
      this.#dispatchAnew()
      return
    }
    if (!this.#sent || (broke && this.#again)) {
      const next = this.#next()
      if (next !== undefined) {
        this.#again = false
        this.#upstream = next
        this.#released = false
        this.#dispatchAnew()
        return
      }
    }
    const { status, message } = describe(error, this.#upstream.baseUrl, this.#sent)
    this.#fail(status, message)
  }

  #dispatchAnew() {
    this.#sent = false
    this.#controller = undefined
    this.dispatch()
  }

  #isRepeatable(): boolean {
    if (this.#responding || this.#body !== null || this.#upgrade !== undefined) return false
    const method = this.#request.method
    return method === "GET" || method === "HEAD" || method === "OPTIONS"
  }

  #next(): Upstream | undefined {
    if (this.#upstream.next === undefined || this.#body?.isUntouched === false) return undefined
    this.#release()
    try {
      return BaseUrl.fromResolved(this.#upstream.next())
    } catch (defect) {
      this.#context.onDefect("An upstream's next() threw", defect)
      return undefined
    }
  }

  #fail(status: number, message: string) {
    this.#settle()
    this.#unwatch?.()
    this.#refuse(status, message)
  }

  #settle() {
    if (this.#settled) return
    this.#settled = true
    this.#context.exchanges.delete(this)
    this.#release()
    // A client may still be sending what the upstream no longer wants.
    if (this.#body !== null && !this.#body.destroyed) this.#body.destroy()
  }

  #release() {
    if (this.#released) return
    this.#released = true
    if (this.#upstream.release === undefined) return
    try {
      this.#upstream.release()
    } catch (defect) {
      this.#context.onDefect("An upstream's release() threw", defect)
    }
  }
}

// The headers go out by themselves when no body came with them: an event stream's client waits for them.
const flush = (response: ServerResponse) => {
  if (!response.writableEnded && !response.destroyed) response.flushHeaders()
}

const rawOf = (raw: Dispatcher.DispatchController["rawHeaders"]): ReadonlyArray<Buffer> =>
  Array.isArray(raw) ? (raw as ReadonlyArray<Buffer>) : []

const codeOf = (error: Error): string => {
  const code = (error as NodeJS.ErrnoException).code
  // The dispatcher's own code for what Node calls ECONNRESET: the other side closed.
  if (code === "UND_ERR_SOCKET") return "ECONNRESET"
  return typeof code === "string" ? code : error.name
}

const SMALL = 16_384

const BROKEN = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"])

const describe = (
  error: Error,
  baseUrl: string,
  sent: boolean
): { readonly status: number; readonly message: string } => {
  const code = codeOf(error)
  const crash = "did the service crash?"
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED") {
    return { status: 400, message: `The request can't be passed on: ${error.message}.` }
  }
  if (code === "UND_ERR_HEADERS_TIMEOUT") {
    return { status: 504, message: `${baseUrl} took too long to answer (${code}); is the service stuck?` }
  }
  if (code === "UND_ERR_CONNECT_TIMEOUT") {
    return { status: 504, message: `${baseUrl} took too long to accept the connection (${code}); ${crash}` }
  }
  if (!sent) return { status: 502, message: `${baseUrl} can't be reached (${code}); ${crash}` }
  if (BROKEN.has(code)) {
    return { status: 502, message: `${baseUrl} closed the connection before it answered (${code}); ${crash}` }
  }
  return { status: 502, message: `${baseUrl} gave no valid answer (${code}: ${error.message}); ${crash}` }
}
