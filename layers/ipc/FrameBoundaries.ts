/**
 * Where the frames of a WebSocket begin (RFC 6455 section 5.2), as far as its bytes are followed.
 *
 * @internal
 */
import { keyLength, length16, length64, maskBit } from "./TextFrames.js"

export class FrameBoundaries {
  /** How many bytes have come of a frame's head, of how many up to the end of its length. */
  private headRead = 0
  private headLength = 0
  private first = 0
  private isMasked = false
  private length = 0
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
    const at = this.headRead++
    if (at === 0) {
      this.first = byte
      return
    }
    if (at === 1) this.readShortLength(byte)
    else this.length = this.length * 256 + byte
    if (this.headRead < this.headLength) return
    this.headRead = 0
    this.left = this.length + (this.isMasked ? keyLength : 0)
    if ((this.first & opcodeBits) < firstControl) this.inMessage = (this.first & finalBit) === 0
  }

  private readShortLength(byte: number): void {
    const short = byte & ~maskBit
    this.isMasked = byte !== short
    this.headLength = short === length64 ? 10 : short === length16 ? 4 : 2
    this.length = this.headLength === 2 ? short : 0
  }
}

const finalBit = 0x80
const opcodeBits = 0x0f

/** The opcodes of control frames, which may come between the frames of a message, begin here. */
const firstControl = 8
