/**
 * The options and events of http-proxy.
 *
 * @since 0.2.0
 */
import type { Agent, ClientRequest, IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { SecureContextOptions } from "node:tls"
import { issueOf, type OptionNames } from "../../src/internal/OptionNames.js"

/**
 * The options of http-proxy, passed on as they are given. The gateway itself sets `target` and `buffer`; `ssl` and `ws` are for http-proxy's own server, which
 * isn't used. For a client certificate, pass an `https.Agent`.
 *
 * @since 0.2.0
 * @category models
 */
export interface HttpProxyOptions {
  /**
   * Whose connections to upstreams are used; `false` opens a new one for each request. It isn't destroyed when the gateway
   * closes. Default: agents of the gateway's own, which keep connections alive.
   */
  readonly agent?: Agent | false | undefined
  /** Basic authentication for upstreams, as `user:password`. */
  readonly auth?: string | undefined
  /** Puts the host that the client has asked for into redirects to the upstream. */
  readonly autoRewrite?: boolean | undefined
  /** The authorities that `https:` upstreams are trusted by. */
  readonly ca?: SecureContextOptions["ca"] | undefined
  /** Sends the upstream's own host as `host`, in place of the one that the client has asked for. */
  readonly changeOrigin?: boolean | undefined
  /** Changes the domain of cookies: the new one for all, or by the old one (`"*"` for any; `""` removes it). */
  readonly cookieDomainRewrite?: false | string | { readonly [oldDomain: string]: string } | undefined
  /** Changes the path of cookies in the same way. */
  readonly cookiePathRewrite?: false | string | { readonly [oldPath: string]: string } | undefined
  /** Follows the redirects of upstreams in place of passing them on. */
  readonly followRedirects?: boolean | undefined
  /** A URL that gets a copy of each request; its responses are discarded. */
  readonly forward?: string | undefined
  /** Added to each request. */
  readonly headers?: { readonly [name: string]: string } | undefined
  /** Put into redirects to the upstream in place of its host. */
  readonly hostRewrite?: string | undefined
  /** Requests the upstream's own path, whatever the request's. */
  readonly ignorePath?: boolean | undefined
  /** The local address from which to connect. */
  readonly localAddress?: string | undefined
  /** The method of each request to upstreams, in place of the client's. */
  readonly method?: string | undefined
  /** Whether the upstream's own path comes before the request's. Default true. */
  readonly prependPath?: boolean | undefined
  /** Keeps the case in which upstreams spell the names of their headers. */
  readonly preserveHeaderKeyCase?: boolean | undefined
  /** Put into redirects to the upstream in place of their protocol. */
  readonly protocolRewrite?: string | undefined
  /** How long an upstream's connection may be silent before its answer, in milliseconds; then the answer is 504. */
  readonly proxyTimeout?: number | undefined
  /** Whether certificates of `https:` upstreams are verified. Default true. */
  readonly secure?: boolean | undefined
  /** Leaves the answer to the `proxyRes` event, whose callback has to end the response. */
  readonly selfHandleResponse?: boolean | undefined
  /** How long a client's connection may be silent, in milliseconds. */
  readonly timeout?: number | undefined
  /** Passes the request's path on without parsing it. */
  readonly toProxy?: boolean | undefined
  /** Whether to set `x-forwarded-*`. Default true, as the gateway does with any HTTP client. */
  readonly xfwd?: boolean | undefined
  /** Callbacks for http-proxy's events. */
  readonly on?: HttpProxyEvents | undefined
}

/**
 * Callbacks for http-proxy's events, by their names. Each is called synchronously, so what it changes takes effect: a header
 * that `proxyReq` sets is sent. Where one throws, that request is answered 500 and the error is logged.
 *
 * @since 0.2.0
 * @category models
 */
export interface HttpProxyEvents {
  /** Before a request is made to the upstream. */
  readonly start?: ((request: IncomingMessage, response: ServerResponse, target: object) => void) | undefined
  /** Before the request's head is sent to the upstream; its headers and path can still be changed. */
  readonly proxyReq?:
    | ((outgoing: ClientRequest, request: IncomingMessage, response: ServerResponse, options: object) => void)
    | undefined
  /** When the upstream's head has arrived; its headers and status can still be changed. */
  readonly proxyRes?:
    | ((answer: IncomingMessage, request: IncomingMessage, response: ServerResponse) => void)
    | undefined
  /** When an answer has arrived whole. */
  readonly end?: ((request: IncomingMessage, response: ServerResponse, answer: IncomingMessage) => void) | undefined
  /** Before a WebSocket's upgrade is sent to the upstream. */
  readonly proxyReqWs?:
    | ((outgoing: ClientRequest, request: IncomingMessage, socket: Socket, options: object, head: Buffer) => void)
    | undefined
  /** When a WebSocket is open, with the upstream's socket. */
  readonly open?: ((upstream: Socket) => void) | undefined
  /** When an upstream has ended a WebSocket. */
  readonly close?: ((answer: IncomingMessage, upstream: Socket, head: Buffer) => void) | undefined
  /** When the client has reset its connection during the request. */
  readonly econnreset?:
    | ((error: Error, request: IncomingMessage, response: ServerResponse | Socket, target?: object) => void)
    | undefined
  /**
   * When a request can't be forwarded, also to the URL of `forward`. If the callback doesn't answer before it returns, the
   * gateway does, with what went wrong as JSON.
   */
  readonly error?:
    | ((error: Error, request: IncomingMessage, response: ServerResponse | Socket, target?: object) => void)
    | undefined
}

const eventNames: OptionNames<HttpProxyEvents> = {
  start: true,
  proxyReq: true,
  proxyRes: true,
  end: true,
  proxyReqWs: true,
  open: true,
  close: true,
  econnreset: true,
  error: true
}

/** @internal */
export const optionNames: OptionNames<HttpProxyOptions> = {
  agent: true,
  auth: true,
  autoRewrite: true,
  ca: true,
  changeOrigin: true,
  cookieDomainRewrite: true,
  cookiePathRewrite: true,
  followRedirects: true,
  forward: true,
  headers: true,
  hostRewrite: true,
  ignorePath: true,
  localAddress: true,
  method: true,
  prependPath: true,
  preserveHeaderKeyCase: true,
  protocolRewrite: true,
  proxyTimeout: true,
  secure: true,
  selfHandleResponse: true,
  timeout: true,
  toProxy: true,
  xfwd: true,
  on: (name, events) => issueOf(name, events, eventNames)
}
