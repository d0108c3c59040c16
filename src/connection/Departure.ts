/**
 * A place among the frames of a connection that wait to be sent.
 *
 * @internal
 */
import type { Packet } from "./Transport.js"

/** A frame that may have to wait. */
export interface Departure {
  /** Set while it waits. */
  packet: Packet | undefined
  /** Called when it has been sent, and when the outbox is cleared. */
  readonly onDeparted?: () => void
  /** Called where it turns out to be over the peer's limit, in bytes; it must be withdrawn then. */
  readonly onTooLarge?: (size: number, limit: number) => void
}
