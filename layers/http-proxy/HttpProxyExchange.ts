/**
 * One request on its way through http-proxy and its answer on the way back.
 *
 * | state | what holds | what a failure brings |
 * | --- | --- | --- |
 * | `waiting` | no answer has come | another attempt where nothing can have happened, else 502 or 504 |
 * | `relaying` | the answer's head has come | 502, or the client's connection is cut |
 * | `switched` | the client's socket and the upstream's are joined | both are closed |
 * | `ended` | nothing is left to do | nothing |
 *
 * http-proxy makes the request to the upstream, and copies the answer's head and body. Its listeners run under a guard. What it
 * doesn't see to is done here: an answer that breaks off, a client that disconnects, an ordinary answer to an upgrade.
 *
 * @internal
 */
import type { Agent, ClientRequest, IncomingMessage, ServerResponse } from "node:http"
import { isIP, type Socket } from "node:net"
import * as Predicate from "effect/Predicate"
import type httpProxy from "http-proxy"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as Userinfo from "../../src/internal/Userinfo.js"
import * as HttpBody from "../http/HttpBody.js"
import type * as BaseUrl from "../http/proxy/BaseUrl.js"
import * as Tunnel from "../http/proxy/Tunnel.js"
import { clientDisconnected, type ExchangeContext, UpstreamExchange } from "../http/proxy/UpstreamExchange.js"
import { codeOf, describe, isBroken } from "../http/proxy/UpstreamFailure.js"
import * as UpstreamSocket from "../http/proxy/UpstreamSocket.js"
import { hasWebSocket } from "../http/upgrade/Offer.js"
import type { ForwardedExchange, UpstreamAttempt } from "../UpstreamProxy.js"
import { guard } from "./Guard.js"
import type { HttpProxyEvents, HttpProxyOptions } from "./HttpProxyOptions.js"
import * as ProxiedRequest from "./ProxiedRequest.js"
import * as UpstreamAnswer from "./UpstreamAnswer.js"

/**
 * What the exchanges of a proxy share.
 *
 * @internal
 */
export interface ProxyContext extends ExchangeContext<HttpProxyExchange> {
  readonly proxy: httpProxy
  readonly options: HttpProxyOptions
  readonly agentOf: (protocol: "http:" | "https:") => Agent | false
  /** Every request to an upstream that isn't closed. */
  readonly outgoing: Set<ClientRequest>
}

type State = "waiting" | "relaying" | "switched" | "ended"

/** One request to one upstream. */
interface Attempt {
  readonly sending: UpstreamAttempt
  readonly incoming: IncomingMessage
  readonly base: BaseUrl.BaseUrl
  /** How http-proxy names the upstream, where it names it at all. */
  target: unknown
  outgoing: ClientRequest | undefined
  /** The copy of the request for the URL of `forward`. */
  mirror: ClientRequest | undefined
  answer: IncomingMessage | undefined
  socket: Socket | undefined
  onSocketClosed: () => void
  /** Whether anything of the request can have reached the upstream. */
  sent: boolean
  timedOut: boolean
}

/** Kept-alive connections come more than once. */
const prepared = new WeakSet<Socket>()

/** A callback of the program threw. */
class CallbackThrew extends Error {
  constructor(
    readonly event: string,
    readonly reason: unknown
  ) {
    super(`The ${event} callback threw: ${messageOf(reason)}`)
  }
}

/**
 * @internal
 */
export class HttpProxyExchange extends UpstreamExchange<ProxyContext> {
  readonly #response: ServerResponse
  readonly #hasBody: boolean
  readonly #isWebSocket: boolean
  #state: State = "waiting"
  #attempt: Attempt | undefined
  #upstreamSocket: Socket | undefined

  constructor(context: ProxyContext, exchange: ForwardedExchange) {
    super(context, exchange)
    const { request, response, upgrade } = exchange
    this.#response = response
    this.#hasBody = HttpBody.isPresent(request)
    this.#isWebSocket =
      upgrade !== undefined && hasWebSocket(upgrade.protocols) && request.method === "GET" && !this.#hasBody
  }

  begin(): void {
    this.#try()
  }

  override abort(): void {
    const state = this.#state
    if (state === "ended") return
    this.end()
    this.#attempt?.sending.end(clientDisconnected())
    if (state !== "switched") {
      this.#response.destroy()
      return
    }
    this.exchange.upgrade?.socket.destroy()
    this.#upstreamSocket?.destroy()
  }

  #try(): void {
    const base = this.baseUrl()
    if (base === undefined) return
    const sending = this.exchange.attempt(this.upstream)
    const attempt: Attempt = {
      sending,
      incoming: ProxiedRequest.make(this.exchange, sending.headers, this.#isWebSocket),
      base,
      target: undefined,
      outgoing: undefined,
      mirror: undefined,
      answer: undefined,
      socket: undefined,
      onSocketClosed: () => {},
      sent: false,
      timedOut: false
    }
    this.#attempt = attempt
    // A server for this attempt alone: the events are its own.
    const server: httpProxy = Object.create(this.context.proxy, {
      emit: {
        value: (event: keyof HttpProxyEvents, ...values: Array<unknown>) => this.#onEvent(attempt, event, values)
      }
    })
    const options = this.#optionsOf(attempt)
    const onError = (error: Error, _request: unknown, _response: unknown, target?: unknown) =>
      this.#onError(attempt, error, target)
    try {
      const { upgrade } = this.exchange
      if (!this.#isWebSocket) server.web(attempt.incoming, this.#response, options, onError)
      else server.ws(attempt.incoming, upgrade?.socket as Socket, HttpBody.EMPTY, options, onError)
    } catch (error) {
      this.#onThrown(error)
    }
  }

  #optionsOf(attempt: Attempt): httpProxy.ServerOptions {
    const { on: _, ...options } = this.context.options
    const { origin, prefix, servername } = attempt.base
    const protocol = servername === undefined ? "http:" : "https:"
    // A repeated request and an upgrade mustn't meet a stale connection.
    const isFresh = (this.attemptKind !== "first" || this.#isWebSocket) && options.agent === undefined
    return {
      ...options,
      target: origin + prefix,
      agent: isFresh ? false : this.context.agentOf(protocol),
      xfwd: options.xfwd ?? true,
      // By default Node takes the name from the client's Host header. An address is no server name (RFC 6066 section 3).
      ...(servername === undefined ? {} : { ssl: { servername: isIP(servername) === 0 ? servername : "" } }),
      // http-proxy pipes it into each request that it makes, before it listens to that.
      buffer: { pipe: (outgoing: ClientRequest) => this.#onOutgoing(attempt, outgoing) }
    } as httpProxy.ServerOptions
  }

  /** http-proxy has made a request to the upstream, of which nothing is sent. */
  #onOutgoing(attempt: Attempt, outgoing: ClientRequest): ClientRequest {
    const { request } = this.exchange
    if (this.context.options.forward !== undefined && attempt.mirror === undefined) {
      attempt.mirror = outgoing
      this.#keep(outgoing)
    } else this.#watch(attempt, outgoing)
    // For some methods http-proxy says that there is none.
    if (this.#hasBody && request.headers["content-length"] === undefined) {
      outgoing.removeHeader("content-length")
      outgoing.setHeader("transfer-encoding", "chunked")
    }
    // After the listeners of this event, http-proxy's `proxyReq` among them: the head goes out with the first write.
    outgoing.once("socket", () =>
      process.nextTick(() => {
        if (this.#hasBody) attempt.incoming.pipe(outgoing)
        else outgoing.end()
      })
    )
    return outgoing
  }

  #keep(outgoing: ClientRequest): void {
    this.context.outgoing.add(outgoing)
    outgoing.once("close", () => this.context.outgoing.delete(outgoing))
    guard(outgoing, (error) => this.#onThrown(error))
  }

  #watch(attempt: Attempt, outgoing: ClientRequest): void {
    const { ignorePath, prependPath } = this.context.options
    attempt.outgoing = outgoing
    this.#keep(outgoing)
    // http-proxy joins slashes.
    if (ignorePath !== true) outgoing.path = (prependPath === false ? "" : attempt.base.prefix) + attempt.sending.target
    const onSent = () => {
      attempt.sent = true
    }
    // More than once where redirects are followed.
    outgoing.on("socket", (socket) => {
      if (!prepared.has(socket)) UpstreamSocket.readBeforeReset(socket)
      prepared.add(socket)
      attempt.socket?.off("close", attempt.onSocketClosed)
      attempt.socket = socket
      // Node says nothing else of an upstream that switches protocols unasked. A redirect closes its socket before the next one.
      attempt.onSocketClosed = () =>
        void setImmediate(() => {
          if (attempt.socket === socket) this.#onError(attempt, reset())
        })
      socket.once("close", attempt.onSocketClosed)
      if (!socket.connecting) onSent()
      else socket.once(attempt.base.servername === undefined ? "connect" : "secureConnect", onSent)
    })
    outgoing.once("timeout", () => {
      attempt.timedOut = true
    })
  }

  #onEvent(attempt: Attempt, event: keyof HttpProxyEvents, values: ReadonlyArray<unknown>): boolean {
    if (event === "start") attempt.target = values[2]
    if (event === "proxyRes") this.#onAnswer(attempt, values[0] as IncomingMessage)
    if (event === "proxyReqWs") this.#onWebSocketRequest(attempt, values[0] as ClientRequest)
    this.#tell(event, values)
    return true
  }

  #tell(event: keyof HttpProxyEvents, values: ReadonlyArray<unknown>): void {
    const callback = this.context.options.on?.[event] as ((...values: ReadonlyArray<unknown>) => unknown) | undefined
    try {
      const returned = callback?.(...values)
      // What an async one does later is too late to be sent, but mustn't end the process.
      if (!Predicate.isPromiseLike(returned)) return
      Promise.resolve(returned).catch((reason) => this.#onThrown(new CallbackThrew(event, reason)))
    } catch (reason) {
      throw new CallbackThrew(event, reason)
    }
  }

  #onAnswer(attempt: Attempt, answer: IncomingMessage): void {
    this.#begin(attempt, answer)
    UpstreamAnswer.prepare(answer, this.#response)
    attempt.sending.end(answer.statusCode as number)
    if (this.context.options.selfHandleResponse === true) return
    // The head goes out by itself when no body comes with it: an event stream's client waits for it.
    setImmediate(() => {
      try {
        if (this.#state === "relaying" && !this.#response.headersSent) this.#response.flushHeaders()
      } catch (error) {
        this.#onThrown(error)
      }
    })
  }

  #begin(attempt: Attempt, answer: IncomingMessage): void {
    this.#state = "relaying"
    attempt.answer = answer
    guard(answer, (error) => this.#onThrown(error))
    answer.on("error", () => {})
    answer.once("close", () => {
      if (this.#state !== "relaying" || answer.complete) return
      const { message, status } = describe(reset(), this.upstream.baseUrl, true)
      this.fail(status, message)
    })
  }

  /** Of its events, http-proxy gets `upgrade` only: what it does on the others crashes, or answers what can't be read. */
  #onWebSocketRequest(attempt: Attempt, outgoing: ClientRequest): void {
    const { emit } = outgoing
    outgoing.emit = (event: string | symbol, ...values: ReadonlyArray<unknown>) => {
      const pass = () => emit.call(outgoing, event, ...values)
      if (event === "error") this.#onError(attempt, values[0] as Error)
      else if (event === "response") this.#onOrdinaryAnswer(attempt, values[0] as IncomingMessage)
      else if (event === "upgrade") this.#onSwitched(values[0] as IncomingMessage, values[1] as Socket, pass)
      else return pass()
      return true
    }
    this.#watch(attempt, outgoing)
  }

  #onOrdinaryAnswer(attempt: Attempt, answer: IncomingMessage): void {
    const response = this.#response
    this.#begin(attempt, answer)
    const headers = UpstreamAnswer.headersOf(answer, response)
    attempt.sending.end(answer.statusCode as number)
    response.writeHead(answer.statusCode as number, answer.statusMessage ?? "", headers)
    answer.pipe(response)
  }

  #onSwitched(answer: IncomingMessage, upstream: Socket, join: () => void): void {
    const { upgrade } = this.exchange
    if (upgrade === undefined || this.#state === "ended" || upgrade.socket.destroyed) {
      upstream.destroy()
      return
    }
    this.#state = "switched"
    this.#upstreamSocket = upstream
    this.#attempt?.sending.end(101)
    guard(upstream, (error) => this.#onThrown(error))
    Tunnel.closeTogether(upgrade.take(), upstream, () => this.end())
    upgrade.onSwitched?.(upstream, UpstreamAnswer.bytesOf(answer.rawHeaders))
    join()
    if (upgrade.head.length > 0) upstream.write(upgrade.head)
  }

  #onError(attempt: Attempt, error: Error, target?: unknown): void {
    const isMirror = target !== undefined && target !== attempt.target
    const isOver = this.#state !== "waiting" || attempt !== this.#attempt
    if (!isMirror && !isOver) attempt.sending.end(error)
    if (!isMirror && (isOver || this.#isTriedAgain(attempt, error))) return
    // Not every caller is a listener under a guard.
    try {
      this.#tell("error", [error, attempt.incoming, this.#response, target])
    } catch (thrown) {
      return this.#onThrown(thrown)
    }
    if (isMirror || this.#response.headersSent || this.#response.writableEnded) return
    const { baseUrl } = this.upstream
    const { message, status } = attempt.timedOut
      ? {
          status: 504,
          message: `${Userinfo.hidden(baseUrl)} took too long to answer (proxyTimeout); is the service stuck?`
        }
      : describe(error, baseUrl, attempt.sent)
    this.fail(status, message)
  }

  #isTriedAgain(attempt: Attempt, error: Error): boolean {
    if (
      this.#hasBody ||
      attempt.timedOut ||
      !(attempt.sent ? isBroken(error) && this.hasSafeMethod() && this.toAnotherAttempt() : this.toNext())
    ) {
      return false
    }
    this.#try()
    return true
  }

  /** A listener threw: the program's own callback, or http-proxy's over what it can't pass on. */
  #onThrown(error: unknown): void {
    if (error instanceof CallbackThrew) this.context.onDefect(error.message, error.reason)
    if (this.#state === "ended") return
    this.#attempt?.sending.end(error instanceof Error ? error : new Error(messageOf(error)))
    if (this.#state === "switched") return this.abort()
    if (error instanceof CallbackThrew) return this.fail(500, error.message)
    const reason = error instanceof Error ? error : new Error(messageOf(error))
    if (this.#state === "relaying") {
      const { message, status } = describe(reason, this.upstream.baseUrl, true)
      return this.fail(status, message)
    }
    const isClients = codeOf(reason) === "ERR_UNESCAPED_CHARACTERS" || codeOf(reason) === "ERR_INVALID_CHAR"
    if (!isClients) this.context.onDefect("http-proxy can't make a request", error)
    this.fail(isClients ? 400 : 500, `The request can't be passed on: ${reason.message}.`)
  }

  protected override end(): void {
    if (this.#state === "ended") return
    this.#state = "ended"
    this.leave()
    const attempt = this.#attempt
    if (attempt === undefined) return
    const { answer, incoming, mirror, outgoing } = attempt
    attempt.socket?.off("close", attempt.onSocketClosed)
    // Its socket is back in the agent's pool, if nothing was left to send or to receive.
    if (outgoing !== undefined && !(answer?.complete === true && outgoing.writableFinished)) outgoing.destroy()
    if (mirror?.writableEnded === false) mirror.destroy()
    // A client may still be sending what the upstream no longer wants.
    incoming.destroy()
  }
}

const reset = () => Object.assign(new Error("The connection was closed"), { code: "ECONNRESET" })
