/**
 * The producing end of a stream: sends elements as far as the consumer's credit goes.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { RawBytes } from "../IPCRequest.js"
import type { Connection } from "./Connection.js"
import * as Frame from "./Frame.js"
import * as FrameBytes from "./FrameBytes.js"
import * as FrameLimit from "./FrameLimit.js"
import type { Credit } from "./Hello.js"
import type { Outbox } from "./Outbox.js"
import type { StreamTurns, Turn } from "./StreamTurns.js"
import type { Packet } from "./Transport.js"

export class StreamSender implements Turn {
  round = 0
  sentInRound = 0
  private count = 0
  private bytes = 0
  private elements: ReadonlyArray<unknown> = []
  private sent = 0
  /** Those that came one after the other and leave together; `elements` is this while they wait. */
  private collected: Array<unknown> = []
  private isCollecting = false
  /** About how long an element is on the wire, as far as that is known. */
  private elementLength: number | undefined
  private issue: string | undefined
  private closed = false
  /** Called when all elements have been sent, where that is waited for. */
  private resume: ((result: Effect.Effect<void, string>) => void) | undefined
  private readonly head: string

  constructor(
    /** Elements of a stream, or of its input. */
    type: "d" | "i",
    id: number,
    private readonly connection: Connection,
    private readonly outbox: Outbox,
    private readonly turns: StreamTurns
  ) {
    this.head = `${type}:${id}::`
    turns.join(this)
  }

  /**
   * Sends encoded elements at once; the effect is done when they have been sent, or leave for certain with those that come in
   * the same turn. Fails with why one can't be sent; interrupts once it is closed.
   */
  send(elements: ReadonlyArray<unknown>): Effect.Effect<void, string> {
    if (this.closed || this.issue !== undefined) return this.result
    this.append(elements)
    return this.mayCollect() ? Effect.void : this.flush
  }

  /** Done when all elements have been sent. */
  readonly flush: Effect.Effect<void, string> = Effect.suspend(() => {
    if (!this.isDone) this.turns.add(this)
    return this.isDone ? this.result : this.wait
  })

  grant({ bytes, count }: Credit): void {
    this.count += count
    this.bytes += bytes
    if (!this.isDone) this.turns.add(this)
  }

  /** Sends nothing more. */
  close(): void {
    this.closed = true
    this.turns.leave(this)
    this.elements = []
    this.sent = 0
    this.onSent()
  }

  take(): boolean {
    if (this.isDone || this.connection.state !== "open") return false
    if (this.count < 1 || this.bytes < 1) return false
    this.sendBatch()
    if (!this.isDone) return this.count > 0 && this.bytes > 0
    this.onSent()
    return false
  }

  private get isDone(): boolean {
    return this.closed || this.issue !== undefined || this.sent >= this.elements.length
  }

  private get result(): Effect.Effect<void, string> {
    if (this.closed) return Effect.interrupt
    return this.issue === undefined ? Effect.void : Effect.fail(this.issue)
  }

  private readonly wait: Effect.Effect<void, string> = Effect.async((resume) => {
    if (this.isDone) return resume(this.result)
    this.resume = resume
    return this.leave
  })

  private readonly leave = Effect.sync(() => {
    this.resume = undefined
    this.close()
  })

  private onSent(): void {
    const { resume } = this
    this.resume = undefined
    resume?.(this.result)
  }

  private append(elements: ReadonlyArray<unknown>): void {
    if (this.sent < this.elements.length) {
      if (this.elements !== this.collected) this.collected = this.elements.slice(this.sent)
      else if (this.sent > 0) this.collected = this.collected.slice(this.sent)
      for (const element of elements) this.collected.push(element)
      this.elements = this.collected
    } else this.elements = elements
    this.sent = 0
  }

  /** Whether more elements may be added before these are sent: the peer has granted them, and they are few. */
  private mayCollect(): boolean {
    const { elementLength, elements } = this
    const { length } = elements
    if (elementLength === undefined || length >= Math.min(this.count, mostCollected)) return false
    if (length * elementLength >= Math.min(this.bytes, longestBatch) || !isSmall(elements[length - 1])) return false
    if (!this.isCollecting) {
      this.isCollecting = true
      queueMicrotask(this.onCollected)
    }
    return true
  }

  private readonly onCollected = (): void => {
    this.isCollecting = false
    if (!this.isDone) this.turns.add(this)
  }

  private sendBatch(): void {
    const first = this.elements[this.sent]
    const { agreement } = this.connection
    if (RawBytes.is(first)) {
      if (agreement.binary && agreement.serialization === undefined) return this.sendBytes(first.bytes)
      this.elementLength ??= Math.max(1, first.bytes.length)
    }
    this.sendElements()
  }

  /** Bytes go each in a frame of their own. */
  private sendBytes(bytes: Uint8Array): void {
    const size = this.head.length + 1 + bytes.length
    if (size > this.connection.maxFrameBytes) return this.refuse(size)
    this.onBatch(1, bytes.length)
    this.outbox.sendBytes(this.head, bytes)
  }

  private sendElements(): void {
    const room = Math.min(this.bytes, longestBatch)
    const most = Math.min(this.count, this.elements.length - this.sent)
    let count = Math.max(1, Math.min(most, Math.floor(room / (this.elementLength ?? assumedLength))))
    let batch = this.print(count)
    // One element may be larger than the credit, and one that can't be sent is found alone.
    while (count > 1 && (batch === undefined || batch.size > room)) {
      count = batch === undefined ? 1 : Math.max(1, Math.min(count - 1, Math.floor((count * room) / batch.size)))
      batch = this.print(count)
    }
    // A getter or a toJSON method of an element may have ended the stream.
    if (this.closed) return
    if (batch === undefined) this.issue = "an element isn't JSON"
    else if (FrameLimit.isExceeded(batch.packet, this.connection.maxFrameBytes)) {
      this.refuse(FrameLimit.sizeOf(batch.packet))
    } else {
      this.onBatch(count, batch.size)
      this.outbox.send(batch.packet)
    }
  }

  private refuse(size: number): void {
    this.issue = `an element would be a frame of ${size} bytes; the limit is ${this.connection.maxFrameBytes}`
  }

  private onBatch(count: number, size: number): void {
    this.elementLength = Math.max(1, size / count)
    this.sent += count
    this.count -= count
    this.bytes -= size
    this.sentInRound += size
  }

  private print(count: number): { readonly packet: Packet; readonly size: number } | undefined {
    const elements =
      this.sent === 0 && count === this.elements.length
        ? this.elements
        : this.elements.slice(this.sent, this.sent + count)
    const packet = FrameBytes.printElements(this.head, elements, this.connection.agreement)
    if (!Frame.isPrinted(packet)) return undefined
    // A binary frame has a line feed between head and data.
    return { packet, size: packet.length - this.head.length - (typeof packet === "string" ? 0 : 1) }
  }
}

/** Of an element, before one was sent. */
const assumedLength = 64

const mostCollected = 64

/** Of what isn't text or bytes, the size is known once it is printed. */
const isSmall = (element: unknown): boolean =>
  typeof element === "string" ? element.length < 1024 : !RawBytes.is(element)

/** A longer batch would keep other streams waiting, in UTF-16 units or bytes. */
const longestBatch = 32 * 1024
