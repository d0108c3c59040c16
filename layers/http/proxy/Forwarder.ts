/**
 * What forwards the gateway's requests to upstreams: the gateway chooses the upstream, and an HTTP client of this interface
 * reaches it.
 *
 * @since 0.2.0
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Upstream } from "../../../src/HttpGateway.js"

/**
 * A request's offer to go on in another protocol on its socket (RFC 9110 section 7.8).
 *
 * @since 0.2.0
 * @category models
 */
export interface Upgrade {
  /** The client's socket. It may be read and written only after `take`. */
  readonly socket: Duplex
  /** The bytes that followed the request. */
  readonly head: Buffer
  /** The protocols offered, as the client has spelled them. */
  readonly protocols: ReadonlyArray<string>
  /** Detaches the socket from the response, to answer on it in another protocol. */
  readonly take: () => Duplex
  /** Called with the upstream's socket and the headers of its 101, before a byte passes either way. */
  readonly onSwitched?: (upstream: Duplex, rawHeaders: ReadonlyArray<Buffer>) => void
}

/**
 * A request to forward.
 *
 * @since 0.2.0
 * @category models
 */
export interface ForwardedExchange {
  readonly request: IncomingMessage
  /** Always to be answered, unless the client has disconnected. */
  readonly response: ServerResponse
  readonly upgrade: Upgrade | undefined
  /** The request's target in origin form: path and query. The upstream's own path comes before it. */
  readonly target: string
  /**
   * Names and values in turn, as they are to be sent: without those of the client's connection, with `x-forwarded-*` and
   * the gateway's mark, by which it knows a request that comes back to it.
   */
  readonly headers: ReadonlyArray<string>
  readonly upstream: Upstream
  /** Begins an attempt at an upstream: what is sent belongs to the attempt's own part of the trace. */
  attempt(upstream: Upstream): UpstreamAttempt
  /**
   * Answers `{"error": message}`, whatever of the request's body is still to come; where the response has begun, the
   * client's connection is cut.
   */
  refuse(status: number, message: string): void
}

/**
 * One attempt to have a request answered by an upstream.
 *
 * @since 0.2.0
 * @category models
 */
export interface UpstreamAttempt {
  /** To be asked for in place of the exchange's `target`: without the upstream's `stripPrefix`. */
  readonly target: string
  /**
   * To be sent in place of the exchange's `headers`: they name the attempt where the request is traced, and the upstream's
   * `stripPrefix`.
   */
  readonly headers: ReadonlyArray<string>
  /** To be called once, with the status of the upstream's response or with why there is none. */
  end(outcome: number | Error): void
}

/**
 * Forwards the exchanges of one gateway.
 *
 * @since 0.2.0
 * @category models
 */
export interface Forwarder {
  /** Never throws. Calls the upstream's `release` once. */
  readonly forward: (exchange: ForwardedExchange) => void
}

/**
 * Makes a gateway's forwarder. Its scope aborts every exchange under way and closes every connection to an upstream.
 *
 * @since 0.2.0
 * @category models
 */
export type MakeForwarder = Effect.Effect<Forwarder, never, Scope.Scope>
