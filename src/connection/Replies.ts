/**
 * Responses of one connection on their way out: each is sent, waits, or becomes a failure where it is too large or too much
 * is unread already.
 *
 * @internal
 */
import { CloseCode } from "../CloseEvent.js"
import type { Connection } from "./Connection.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import * as Frame from "./Frame.js"
import * as FrameLimit from "./FrameLimit.js"
import type { Outbox } from "./Outbox.js"
import type { Packet } from "./Transport.js"

export class Replies {
  /** The bytes of failures that wait to be sent. */
  private unreadFailures = 0

  constructor(
    private readonly connection: Connection,
    private readonly outbox: Outbox,
    private readonly memory: ConnectionMemory
  ) {}

  /** Sends a response, whose head is given so that a failure can take its place. */
  send(head: string, packet: Packet | Frame.Unprintable): void {
    if (this.connection.state !== "open") return
    if (!Frame.isPrinted(packet)) return this.fail(head, `the response isn't JSON: ${packet.issue}`)
    const { maxFrameBytes } = this.connection
    if (FrameLimit.isExceeded(packet, maxFrameBytes)) {
      const size = FrameLimit.sizeOf(packet)
      return this.fail(head, `the response would be a frame of ${size} bytes; the limit is ${maxFrameBytes}`)
    }
    const { memory } = this
    if (memory.isTooMuch(packet.length)) return this.drop(head, packet, memory.fullness)
    if (!this.outbox.isCongested()) return this.outbox.send(packet)
    const { outbound, responseLimit } = memory
    if (outbound + packet.length <= responseLimit) return this.outbox.add({ packet })
    this.drop(head, packet, `${outbound} bytes are unread already`)
  }

  private drop(head: string, packet: Packet, issue: string): void {
    this.fail(head, `the response of ${packet.length} bytes was dropped: ${issue}`)
  }

  /** Sends a failure. It is small, whatever the request was. */
  fail(head: string, error: string, details: Pick<Frame.Failure, "reason" | "tag"> = {}): void {
    if (this.connection.state !== "open") return
    const text = Frame.printOutcome(head, { success: false, error: shortened(error), ...details })
    if (typeof text !== "string") return
    if (!this.outbox.isCongested()) return this.outbox.send(text)
    if (this.unreadFailures + text.length > maxUnreadFailures) {
      const reason = `${this.memory.outbound} bytes are unread, and requests still come`
      return this.connection.startClosing({ code: CloseCode.Unread, reason })
    }
    this.unreadFailures += text.length
    this.outbox.add({
      packet: text,
      onDeparted: () => {
        this.unreadFailures -= text.length
      }
    })
  }
}

/** The head of a response; without the path where that is long, since the id is enough. */
export const headOf = (id: number | string, path: string): string =>
  `s:${id}:${path.length > maxFailureLength ? "" : path}:`

/** The longest path and error, in characters, of the answer that stands for one that can't be sent. */
const maxFailureLength = 1000

/** The bytes of failures that may wait, beside all else, before a peer that reads none of them is dropped. */
const maxUnreadFailures = 1024 * 1024

const shortened = (text: string): string =>
  text.length > maxFailureLength ? `${text.slice(0, maxFailureLength)}…` : text
