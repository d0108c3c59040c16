/**
 * What the parts of one connection know of it.
 *
 * @internal
 */
import type { CloseEvent } from "../CloseEvent.js"
import type { Agreement } from "./Subprotocol.js"
import type { Packet } from "./Transport.js"

export interface Connection<Caller = unknown> {
  readonly state: State
  /** How it ends, once it isn't open. */
  readonly closeEvent: CloseEvent
  /** What errors and log lines call the peer. */
  readonly target: string
  /** What handlers are told of the peer. */
  readonly caller: Caller
  readonly agreement: Agreement
  /** The largest frame that both ends take, in bytes. */
  readonly maxFrameBytes: number
  readonly startClosing: (event: CloseEvent) => void
  /** Logs that a frame was dropped. */
  readonly logDropped: (packet: Packet, issue: string) => void
}

export type State = "open" | "closing" | "closed"
