/**
 * How a connection ended.
 *
 * @since 0.1.0
 */

/**
 * How a connection ended: a WebSocket close code (RFC 6455 section 7.4) and reason.
 *
 * @since 0.1.0
 * @category models
 */
export interface CloseEvent {
  readonly code: number
  readonly reason: string
}

/**
 * The close codes the library uses beside the standard ones.
 *
 * @since 0.1.0
 * @category models
 */
export const CloseCode = {
  /** Closed on purpose. */
  Normal: 1000,
  /** The server or client is closing. */
  GoingAway: 1001,
  /** The peer doesn't keep to the protocol. */
  ProtocolError: 1002,
  /** The connection broke without a close frame. */
  Abnormal: 1006,
  /** The peer presented what isn't accepted. */
  PolicyViolation: 1008,
  /** A frame over the limit arrived. */
  TooLarge: 1009,
  /** The process holds too much for its peers to take a large frame; a client may connect again. */
  TryAgainLater: 1013,
  /** A newer connection has the same runtimeId; the one closed so doesn't reconnect. */
  Replaced: 4001,
  /** The peer was silent for two heartbeats. */
  Silent: 4002,
  /** The peer reads nothing and goes on sending requests. */
  Unread: 4003
} as const
