/**
 * Frames on a byte stream: one byte that tells the kind, four that tell the length of the body in bytes, big-endian, and
 * the body.
 *
 * @internal
 */

/** The kinds of frames. The numbers are those of RFC 6455 section 5.2. */
export const Kind = { text: 1, bytes: 2, close: 8, ping: 9, pong: 10 } as const

export const headerLength = 5

/** A text frame. */
export const printText = (text: string): Buffer => {
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(headerLength + length)
  writeHeader(frame, Kind.text, length)
  frame.write(text, headerLength)
  return frame
}

/** What comes before a body of so many bytes. */
export const printHeader = (kind: number, length: number): Buffer => {
  const header = Buffer.allocUnsafe(headerLength)
  writeHeader(header, kind, length)
  return header
}

const writeHeader = (buffer: Buffer, kind: number, length: number): void => {
  buffer[0] = kind
  buffer.writeUInt32BE(length, 1)
}

export interface FrameListener {
  /** A frame's header: whether its body may come. Nothing is read after one that may not. */
  readonly onHeader: (kind: number, length: number) => boolean
  /** A whole frame. */
  readonly onFrame: (kind: number, body: Buffer) => void
  /** So many bytes are kept of a frame that isn't whole; 0 once it is. */
  readonly onReceiving: (bytes: number) => void
}

/** How much room is made for the rest of a frame: what has come of it, so many times. */
const growth = 8

/** Reads frames from chunks of a byte stream. */
export class Reader {
  private readonly header = Buffer.allocUnsafe(headerLength)
  private headerRead = 0
  private kind = 0
  /** The length of the body that is being read; -1 before its header is whole. */
  private length = -1
  /** What has come of the body. Grows with it, so that a length that is told costs nothing. */
  private body = Buffer.alloc(0)
  private bodyRead = 0
  private refused = false

  constructor(private readonly listener: FrameListener) {}

  read(chunk: Buffer): void {
    let offset = 0
    while (!this.refused) {
      if (this.length === -1) {
        offset = this.readHeader(chunk, offset)
        if (this.length === -1) return
      }
      const rest = chunk.length - offset
      if (this.bodyRead === 0 && rest >= this.length) {
        const end = offset + this.length
        this.deliver(chunk.subarray(offset, end))
        offset = end
        continue
      }
      if (rest === 0) return
      const taken = Math.min(rest, this.length - this.bodyRead)
      this.keep(chunk.subarray(offset, offset + taken))
      offset += taken
      if (this.bodyRead < this.length) return this.listener.onReceiving(this.bodyRead)
      const body = this.body.subarray(0, this.bodyRead)
      this.body = Buffer.alloc(0)
      this.bodyRead = 0
      this.listener.onReceiving(0)
      this.deliver(body)
    }
  }

  private readHeader(chunk: Buffer, offset: number): number {
    const available = chunk.length - offset
    if (this.headerRead === 0 && available >= headerLength) {
      this.begin(chunk[offset] as number, chunk.readUInt32BE(offset + 1))
      return offset + headerLength
    }
    const taken = Math.min(available, headerLength - this.headerRead)
    chunk.copy(this.header, this.headerRead, offset, offset + taken)
    this.headerRead += taken
    if (this.headerRead === headerLength) {
      this.headerRead = 0
      this.begin(this.header[0] as number, this.header.readUInt32BE(1))
    }
    return offset + taken
  }

  private begin(kind: number, length: number): void {
    if (!this.listener.onHeader(kind, length)) {
      this.refused = true
      return
    }
    this.kind = kind
    this.length = length
  }

  private deliver(body: Buffer): void {
    this.length = -1
    this.listener.onFrame(this.kind, body)
  }

  private keep(part: Buffer): void {
    const needed = this.bodyRead + part.length
    if (needed > this.body.length) {
      const capacity = Math.min(this.length, growth * needed)
      const larger = Buffer.allocUnsafeSlow(capacity)
      this.body.copy(larger, 0, 0, this.bodyRead)
      this.body = larger
    }
    part.copy(this.body, this.bodyRead)
    this.bodyRead = needed
  }
}
