/**
 * One request on its way through the proxy and its response on the way back.
 *
 * | state | what holds | what a failure brings |
 * | --- | --- | --- |
 * | `waiting` | nothing of the request was sent | on to `upstream.next()`, else 502, 503 or 504 |
 * | `sent` | the request is being sent, or was | once more where it may be repeated, else 502 or 504 |
 * | `answering` | the response has begun, its final head isn't there yet | 502 |
 * | `relaying` | the final head was sent to the client | the client's connection is cut |
 * | `switched` | the client's socket and the upstream's are joined | both are closed |
 * | `ended` | nothing is left to do | nothing |
 *
 * `waiting` → `sent` → `answering` → `relaying` or `switched` → `ended`; back to `waiting` for another attempt, and to
 * `ended` from everywhere.
 *
 * A GET, HEAD or OPTIONS without body whose connection breaks in `sent` is sent once more, on a new connection (RFC 9110
 * section 9.2.2): a kept-alive one may have been stale. If that breaks too, the upstream is about to end (a process that is
 * killed still accepts for a moment), and the request is sent to `upstream.next()`, once.
 *
 * @internal
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import type { Dispatcher } from "undici"
import * as Userinfo from "../../../src/internal/Userinfo.js"
import * as BufferPool from "../../BufferPool.js"
import * as EndOfTurn from "../EndOfTurn.js"
import { GatewayResponse } from "../GatewayResponse.js"
import * as HttpBody from "../HttpBody.js"
import { RequestBody } from "../RequestBody.js"
import { BodyReads } from "./BodyReads.js"
import * as ForwardedHeaders from "./ForwardedHeaders.js"
import type { ForwardedExchange, UpstreamAttempt } from "./Forwarder.js"
import * as Tunnel from "./Tunnel.js"
import { clientDisconnected, type ExchangeContext, UpstreamExchange } from "./UpstreamExchange.js"
import { ClientNotLoaded, describe, isBroken } from "./UpstreamFailure.js"
import type { UpstreamPool } from "./UpstreamPool.js"
import * as UpstreamSocket from "./UpstreamSocket.js"

/**
 * What the exchanges of a proxy share.
 *
 * @internal
 */
export interface ProxyContext extends ExchangeContext<ProxyExchange> {
  readonly pool: UpstreamPool
}

type State = "waiting" | "sent" | "answering" | "relaying" | "switched" | "ended"

/**
 * Relays a request to an upstream and the upstream's response to the client, both streamed. It is its own handler of
 * undici's events, so that a request costs one object.
 *
 * @internal
 */
export class ProxyExchange extends UpstreamExchange<ProxyContext> implements Dispatcher.DispatchHandler {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #body: RequestBody | null
  #state: State = "waiting"
  #sending: UpstreamAttempt | undefined
  #controller: Dispatcher.DispatchController | undefined
  #bodyBytesLeft = -1
  #isPaused = false
  /** Of a response's body that isn't sent as a string. */
  #bodyReads: BodyReads | undefined
  /** Whether any of the response's body was written. */
  #bodyBegan = false
  /** Whether the end of the response was written, or is about to be. */
  #isEnding = false

  constructor(context: ProxyContext, exchange: ForwardedExchange) {
    super(context, exchange)
    this.#request = exchange.request
    this.#response = exchange.response
    this.#body = HttpBody.isPresent(exchange.request) ? new RequestBody(exchange.request) : null
  }

  /** Sends the request to the upstream. */
  dispatch(): void {
    this.#state = "waiting"
    this.#controller = undefined
    const base = this.baseUrl()
    if (base === undefined) return
    const { upgrade } = this.exchange
    this.#sending = this.exchange.attempt(this.upstream)
    const path = this.#sending.target
    const options: Dispatcher.DispatchOptions = {
      origin: base.origin,
      path: base.prefix === "" ? path : base.prefix + path,
      method: this.#request.method as Dispatcher.HttpMethod,
      headers: this.#sending.headers as Array<string>,
      body: this.#body
    }
    if (upgrade !== undefined) options.upgrade = upgrade.protocols.join(", ")
    // By default undici takes the name from the client's Host header, and reconnects whenever that changes.
    if (base.servername !== undefined) Object.assign(options, { servername: base.servername })
    // An upgrade takes its connection for good, so it gets one that can't be stale.
    if (this.attemptKind !== "first" || upgrade !== undefined) {
      this.context.pool.dispatchOnNewConnection(options, this)
    } else this.context.pool.dispatch(options, this)
  }

  override abort(): void {
    const state = this.#state
    if (state === "ended") return
    this.end()
    this.#sending?.end(clientDisconnected())
    this.#controller?.abort(clientDisconnected())
    if (state === "switched") this.exchange.upgrade?.socket.destroy()
    else this.#response.destroy()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#state === "ended") {
      controller.abort(clientDisconnected())
      return
    }
    this.#controller = controller
    this.#state = "sent"
  }

  onResponseStarted(): void {
    if (this.#state === "sent") this.#state = "answering"
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, status: number, _headers: unknown, socket: Duplex): void {
    const { upgrade } = this.exchange
    if (upgrade === undefined || this.#state === "ended" || upgrade.socket.destroyed) {
      socket.destroy()
      return
    }
    this.#controller = undefined
    if (this.#body !== null && !this.#request.complete) {
      socket.destroy()
      this.fail(502, `${Userinfo.hidden(this.upstream.baseUrl)} switched protocols before it had the request's body.`)
      return
    }
    this.#state = "switched"
    this.#sending?.end(status)
    const client = upgrade.take()
    client.write(
      `HTTP/1.1 ${status} Switching Protocols\r\n${ForwardedHeaders.ofUpgrade(rawOf(controller.rawHeaders))}\r\n`,
      "latin1"
    )
    upgrade.onSwitched?.(socket, rawOf(controller.rawHeaders))
    if (upgrade.head.length > 0) socket.write(upgrade.head)
    Tunnel.join(client, socket, () => this.end())
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusMessage?: string
  ): void {
    if (this.#state === "ended") return
    if (status === 101) {
      controller.abort(new Error("It switched protocols without naming the one it switched to"))
      return
    }
    // undici destroys its socket for an error that is thrown here, and reports it nowhere.
    try {
      if (status < 100) throw new RangeError(`${status} isn't the status of a response`)
      if (status < 200) this.#relayInformation(status, rawOf(controller.rawHeaders))
      else this.#relayHead(status, statusMessage ?? "", rawOf(controller.rawHeaders))
    } catch (error) {
      const reason = error instanceof Error ? error : new Error("a response that can't be passed on")
      controller.abort(reason)
      this.onResponseError(controller, reason)
    }
  }

  /** Whether or not the client asked for it (RFC 9110 section 15.2). */
  #relayInformation(given: number, rawHeaders: ReadonlyArray<Buffer>): void {
    const status = given === UpstreamSocket.CONTINUE ? 100 : given
    const { socket } = this.#response
    // These aren't queued without bound for a client that doesn't read.
    if (socket === null || this.#request.httpVersionMinor === 0 || socket.writableNeedDrain) return
    const headers = ForwardedHeaders.ofResponse(rawHeaders, status)
    let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
    socket.write(`${text}\r\n`, "latin1")
  }

  #relayHead(status: number, statusMessage: string, rawHeaders: ReadonlyArray<Buffer>): void {
    const response = this.#response
    const headers = ForwardedHeaders.ofResponse(rawHeaders, status)
    const length = ForwardedHeaders.get(headers, "content-length")
    const hasBody = this.#request.method !== "HEAD" && status !== 204 && status !== 304
    // Node refuses to announce trailers where it can't send them.
    if (!hasBody || length !== undefined || this.#request.httpVersionMinor === 0)
      ForwardedHeaders.remove(headers, "trailer")
    response.writeHead(status, statusMessage, headers)
    this.#state = "relaying"
    this.#sending?.end(status)
    if (!hasBody) {
      // Now, not when undici sees the end: it takes the content-length of a 304 for that of a body to come.
      this.#isEnding = true
      response.end()
      return
    }
    if (length !== undefined) this.#bodyBytesLeft = Number(length)
    process.nextTick(flush, this)
  }

  /** The headers go out by themselves when no body came with them: an event stream's client waits for them. */
  flushHead(): void {
    if (!this.#isEnding && !this.#bodyBegan && !this.#response.destroyed) this.#response.flushHeaders()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const response = this.#response
    // undici gives an empty one whenever it resumes.
    if (this.#state === "ended" || this.#isEnding || chunk.length === 0) return
    const isLast = chunk.length === this.#bodyBytesLeft
    this.#bodyBytesLeft -= chunk.length
    this.#bodyBegan = true
    if (isLast && chunk.length <= SMALL) {
      this.#isEnding = true
      // As a string, a small body goes out in one piece with the headers; Latin-1 has a character for each byte.
      EndOfTurn.end(response, chunk.toString("latin1"), "latin1")
      return
    }
    const isTaken = this.#write(chunk)
    if (isLast) {
      this.#isEnding = true
      response.end()
      return
    }
    if (isTaken) return
    // Node writes at the end of the tick. If the system takes all of it now, the upstream needn't pause.
    response.socket?.uncork()
    if (response.writableLength === 0) return
    controller.pause()
    if (this.#isPaused) return
    this.#isPaused = true
    response.once("drain", () => {
      this.#isPaused = false
      this.#controller?.resume()
    })
  }

  /** False if no more should be written for now. */
  #write(chunk: Buffer): boolean {
    const response = this.#response
    if (!(response instanceof GatewayResponse) || response.isSeen) {
      BufferPool.loanOf(chunk)?.end()
      return response.write(chunk)
    }
    this.#bodyReads ??= new BodyReads()
    return response.write(chunk, this.#bodyReads.next(chunk))
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#state === "ended") return
    const response = this.#response
    if (!this.#isEnding) {
      this.#isEnding = true
      const rawTrailers = rawOf(controller.rawTrailers)
      if (rawTrailers.length === 0) this.#bodyReads?.end()
      const trailers = ForwardedHeaders.ofTrailers(rawTrailers)
      if (trailers.length > 0) response.addTrailers(trailers)
      response.end()
    }
    this.end()
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#sending?.end(error)
    switch (this.#state) {
      case "ended":
      case "switched":
        return
      case "relaying": {
        const isComplete = this.#isEnding
        this.end()
        // What was announced didn't come whole, and the client must see that.
        if (!isComplete) this.#response.destroy()
        return
      }
      case "waiting":
        if (error instanceof ClientNotLoaded) this.context.onDefect(error.message, error.reason)
        else if (this.#toUntried()) return this.dispatch()
        break
      case "sent":
        if (isBroken(error) && this.#isRepeatable() && this.toAnotherAttempt()) return this.dispatch()
    }
    const { message, status } = describe(error, this.upstream.baseUrl, this.#state !== "waiting")
    this.fail(status, message)
  }

  #isRepeatable(): boolean {
    return this.#body === null && this.exchange.upgrade === undefined && this.hasSafeMethod()
  }

  /** Whether there is another upstream for a request of which nothing was sent. */
  #toUntried(): boolean {
    return this.#body?.isUntouched !== false && this.toNext()
  }

  protected override end(): void {
    if (this.#state === "ended") return
    this.#state = "ended"
    this.leave()
    // A client may still be sending what the upstream no longer wants.
    if (this.#body !== null && !this.#body.destroyed) this.#body.destroy()
  }
}

const flush = (exchange: ProxyExchange) => exchange.flushHead()

const rawOf = (raw: Dispatcher.DispatchController["rawHeaders"]): ReadonlyArray<Buffer> =>
  Array.isArray(raw) ? (raw as ReadonlyArray<Buffer>) : []

const SMALL = 16_384
