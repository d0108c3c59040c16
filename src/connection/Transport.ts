/**
 * What carries the text frames of one connection. The engine (IPCSocket) knows nothing else of the network.
 *
 * @since 0.1.0
 */
import type { CloseEvent } from "../CloseEvent.js"

/**
 * What a transport tells its one listener, never from within a call to the transport, `terminate` apart. `onClosed`
 * comes once, last.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportListener {
  readonly onText: (text: string) => void
  /** Something arrived that isn't ours to read: a frame that isn't text. */
  readonly onBinary: (size: number) => void
  /** A ping or pong arrived: the peer lives. */
  readonly onAlive: () => void
  /** What was sent has left, wholly or for the most part. */
  readonly onDrain: () => void
  readonly onClosed: (event: CloseEvent) => void
}

/**
 * One connection, already open. No method throws, in whatever state the connection is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  /** Whether the peer agreed to more than plain frames (Frame.subprotocol). */
  readonly extended: boolean
  readonly listen: (listener: TransportListener) => void
  readonly send: (text: string) => void
  /** Bytes handed to `send` that haven't left yet. */
  readonly unsent: () => number
  readonly ping: () => void
  /** Sends the close event; `onClosed` comes once the peer has answered or, at the latest, a quarter of a second later. */
  readonly close: (event: CloseEvent) => void
  /** Ends it without a word; `onClosed` comes at once. */
  readonly terminate: () => void
}
