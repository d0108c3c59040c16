/**
 * A pair of connected transports in memory, for tests and for processes that are one.
 *
 * @internal
 */
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import type { Agreement } from "./Subprotocol.js"
import * as Subprotocol from "./Subprotocol.js"
import type { Packet, Transport, TransportListener } from "./Transport.js"

/**
 * A pair of connected transports in memory: what one sends, the other receives, in order, in a later microtask.
 */
export const makePair = (agreement: Agreement = Subprotocol.extended): readonly [MemoryTransport, MemoryTransport] => {
  const left = new MemoryTransport(agreement)
  const right = new MemoryTransport(agreement)
  left.peer = right
  right.peer = left
  return [left, right]
}

/**
 * One end of a pair in memory. A test can freeze it, as a stopped process would be: it receives and sends nothing until
 * thawed.
 */
export class MemoryTransport implements Transport {
  /** @internal */
  peer!: MemoryTransport
  private listener: TransportListener | undefined
  private readonly inbox: Array<() => void> = []
  /** What would have gone out while frozen. */
  private outbox: Array<() => void> = []
  private unsentBytes = 0
  private scheduled = false
  private frozen = false
  private open = true

  constructor(readonly agreement: Agreement) {}

  listen(listener: TransportListener): void {
    this.listener = listener
    this.schedule()
  }

  send(packet: Packet): void {
    if (!this.open) return
    this.unsentBytes += packet.length
    this.tell(() => {
      this.unsentBytes -= packet.length
      if (this.peer.open) {
        if (typeof packet === "string") this.peer.listener?.onText(packet)
        else this.peer.listener?.onBytes(packet)
      }
      if (this.open) this.listener?.onDrain()
    })
  }

  unsent(): number {
    return this.unsentBytes
  }

  ping(): void {
    if (!this.open) return
    this.tell(() => {
      if (!this.peer.open) return
      this.peer.listener?.onAlive()
      this.peer.tell(() => {
        if (this.open) this.listener?.onAlive()
      })
    })
  }

  close(event: CloseEvent): void {
    if (!this.open) return
    this.tell(() => this.peer.end(event))
    queueMicrotask(() => this.end(event))
  }

  terminate(): void {
    if (!this.open) return
    const event = { code: CloseCode.Abnormal, reason: "" }
    this.tell(() => this.peer.end(event))
    this.end(event)
  }

  freeze(): void {
    this.frozen = true
  }

  thaw(): void {
    this.frozen = false
    const { outbox } = this
    this.outbox = []
    for (const deliver of outbox) this.peer.receive(deliver)
    this.schedule()
  }

  private end(event: CloseEvent): void {
    if (!this.open) return
    this.open = false
    this.listener?.onClosed(event)
  }

  private tell(deliver: () => void): void {
    if (this.frozen) this.outbox.push(deliver)
    else this.peer.receive(deliver)
  }

  private receive(deliver: () => void): void {
    this.inbox.push(deliver)
    this.schedule()
  }

  private schedule(): void {
    if (this.scheduled || this.inbox.length === 0) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      while (this.inbox.length > 0 && this.listener !== undefined && !this.frozen) {
        this.inbox.shift()?.()
      }
    })
  }
}
