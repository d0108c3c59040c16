/**
 * What forwards the gateway's requests to upstreams: the seam between the gateway, which chooses the upstream, and the
 * HTTP client that reaches it.
 *
 * @since 0.2.0
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Upstream } from "../../../src/HttpGateway.js"

/**
 * The client's socket of a request that offers to switch protocols, with what it sent after its headers.
 *
 * @since 0.2.0
 * @category models
 */
export interface Upgrade {
  readonly socket: Duplex
  readonly head: Buffer
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
  /** To be answered whatever happens, unless the client has gone. */
  readonly response: ServerResponse
  readonly upgrade: Upgrade | undefined
  /** The request's target in origin form: path and query. The upstream's own path comes before it. */
  readonly target: string
  readonly upstream: Upstream
  /**
   * Answers `{"error": message}`, whatever of the request's body is still to come; where the response has begun, the
   * client's connection is cut.
   */
  readonly refuse: (status: number, message: string) => void
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
