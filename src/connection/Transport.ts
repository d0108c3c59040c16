/**
 * What carries the frames of one connection. The engine (IPCSocket) knows nothing else of the network.
 *
 * @internal
 */
import type { CloseEvent } from "../CloseEvent.js"
import type { Agreement } from "./Subprotocol.js"

/** One frame: text, or bytes between ends that agreed to them. */
export type Packet = string | Uint8Array

/**
 * What a transport tells its one listener, never from within a call to the transport; but `onClosed` may come from within
 * `terminate`, and from within `send` where that finds the connection closed. It comes once, last.
 */
export interface TransportListener {
  /** One frame, or several that are joined. */
  readonly onText: (text: string) => void
  readonly onBytes: (bytes: Uint8Array) => void
  /** So many bytes are kept of a large frame that isn't whole yet; told now and then while it grows, and with 0 at its end. */
  readonly onReceiving: (bytes: number) => void
  /** A ping or pong arrived: the peer is alive. */
  readonly onAlive: () => void
  /** What was sent has left, wholly or for the most part. */
  readonly onDrain: () => void
  readonly onClosed: (event: CloseEvent) => void
}

/** One connection, already open. No method throws, in whatever state the connection is. */
export interface Transport {
  readonly agreement: Agreement
  readonly listen: (listener: TransportListener) => void
  readonly send: (packet: Packet) => void
  /**
   * Sends a binary frame of a head and bytes, after everything sent before. Keeps no reference to the bytes. Only transports
   * that copy both to memory that is used again have this method.
   */
  readonly sendBytes?: (head: string, bytes: Uint8Array) => void
  /** Bytes handed to `send` that haven't left yet. */
  readonly unsent: () => number
  readonly ping: () => void
  /** Sends the close event; `onClosed` comes once the peer has answered or, at the latest, a quarter of a second later. */
  readonly close: (event: CloseEvent) => void
  /** Ends it without a close event; `onClosed` comes at once. */
  readonly terminate: () => void
}

/** Whether a listener that was told of so many bytes of an unfinished frame is to be told of these. */
export const isReceivingNews = (bytes: number, told: number): boolean => bytes < told || bytes - told >= receivingStep

const receivingStep = 64 * 1024
