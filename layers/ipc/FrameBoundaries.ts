/**
 * Where the frames of a WebSocket begin (RFC 6455 section 5.2), as far as its bytes are followed.
 *
 * @internal
 */
import { keyLength, length16, length64, maskBit } from "./TextFrames.js"

export class FrameBoundaries {
  /** What has come of a frame's head, up to its length. */
  private readonly head = Buffer.alloc(10)
  private headRead = 0
  /** The bytes that are still to come of a frame whose head is complete. */
  private left = 0
  /** Whether more frames of a message are to come. */
  private inMessage = false

  /** Whether the next byte is the first of a message's frame, or of a control frame between messages. */
  get isBetweenMessages(): boolean {
    return this.left === 0 && this.headRead === 0 && !this.inMessage
  }

  follow(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.left === 0) this.readHead(chunk[at++] as number)
      else {
        const taken = Math.min(this.left, chunk.length - at)
        this.left -= taken
        at += taken
      }
    }
  }

  private readHead(byte: number): void {
    const { head } = this
    head[this.headRead++] = byte
    if (this.headRead < 2) return
    const second = head[1] as number
    const short = second & ~maskBit
    if (this.headRead < (short === length64 ? 10 : short === length16 ? 4 : 2)) return
    this.headRead = 0
    const length =
      short === length64
        ? head.readUInt32BE(2) * 2 ** 32 + head.readUInt32BE(6)
        : short === length16
          ? head.readUInt16BE(2)
          : short
    this.left = length + (second & maskBit ? keyLength : 0)
    const first = head[0] as number
    if ((first & opcodeBits) < firstControl) this.inMessage = (first & finalBit) === 0
  }
}

const finalBit = 0x80
const opcodeBits = 0x0f

/** The opcodes of control frames, which may come between the frames of a message, begin here. */
const firstControl = 8
