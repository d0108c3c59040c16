/**
 * Frames on a byte stream: one byte for the kind, four for the length of the body in bytes (big-endian), and the body.
 *
 * @internal
 */

/** The kinds of frames. The numbers are those of RFC 6455 section 5.2. */
export const Kind = { text: 1, bytes: 2, close: 8, ping: 9, pong: 10 } as const

export const headerLength = 5

/** Writes a text frame at `start` of a buffer that has room for it. Returns where the frame ends. */
export const writeText = (buffer: Buffer, start: number, text: string): number => {
  const length = buffer.write(text, start + headerLength)
  writeHeader(buffer, start, Kind.text, length)
  return start + headerLength + length
}

/** A text frame. */
export const printText = (text: string): Buffer => {
  const frame = Buffer.allocUnsafe(headerLength + Buffer.byteLength(text))
  writeText(frame, 0, text)
  return frame
}

/** The header of a frame. */
export const printHeader = (kind: number, length: number): Buffer => {
  const header = Buffer.allocUnsafe(headerLength)
  writeHeader(header, 0, kind, length)
  return header
}

export const writeHeader = (buffer: Buffer, start: number, kind: number, length: number): void => {
  buffer[start] = kind
  buffer.writeUInt32BE(length, start + 1)
}

export interface FrameListener {
  /** Called for each header. Returns whether the body is accepted; if it isn't, nothing more is read. */
  readonly onHeader: (kind: number, length: number) => boolean
  /** Called for each frame. A body that isn't the listener's own is valid only until this returns. A binary one is its own. */
  readonly onFrame: (kind: number, body: Buffer, isOwn: boolean) => void
  /** Called with the number of bytes kept of an incomplete frame, and with 0 once it is complete. */
  readonly onReceiving: (bytes: number) => void
  /** Gives memory for a body that comes in parts, or that is the listener's own. */
  readonly allocate: (kind: number, length: number) => Buffer
}

/** The buffer of an incomplete frame grows to the bytes that have arrived, times this. */
const growth = 8

/** Shared by all readers, of which most read nothing most of the time. */
const nothing = Buffer.alloc(0)

/** Reads frames from chunks of a byte stream. */
export class Reader {
  /** What has arrived of an incomplete header. */
  private header: Buffer = nothing
  private kind = 0
  /** The length of the body that is being read; -1 until its header is complete. */
  private length = -1
  /** The part of the body that has arrived. It grows with the body, so that a large length alone allocates nothing. */
  private body: Buffer = nothing
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
        const body = chunk.subarray(offset, end)
        offset = end
        if (this.kind === Kind.bytes) this.deliver(this.copyOf(body), true)
        else this.deliver(body, false)
        continue
      }
      if (rest === 0) return
      const taken = Math.min(rest, this.length - this.bodyRead)
      this.keep(chunk.subarray(offset, offset + taken))
      offset += taken
      if (this.bodyRead < this.length) return this.listener.onReceiving(this.bodyRead)
      const body = this.body.subarray(0, this.bodyRead)
      this.body = nothing
      this.bodyRead = 0
      this.listener.onReceiving(0)
      this.deliver(body, true)
    }
  }

  private readHeader(chunk: Buffer, offset: number): number {
    if (offset === chunk.length) return offset
    const { header } = this
    if (header.length === 0 && chunk.length - offset >= headerLength) {
      this.begin(chunk[offset] as number, chunk.readUInt32BE(offset + 1))
      return offset + headerLength
    }
    const end = Math.min(chunk.length, offset + headerLength - header.length)
    const arrived = Buffer.concat([header, chunk.subarray(offset, end)])
    const isComplete = arrived.length === headerLength
    this.header = isComplete ? nothing : arrived
    if (isComplete) this.begin(arrived[0] as number, arrived.readUInt32BE(1))
    return end
  }

  private begin(kind: number, length: number): void {
    if (!this.listener.onHeader(kind, length)) {
      this.refused = true
      return
    }
    this.kind = kind
    this.length = length
  }

  private deliver(body: Buffer, isOwn: boolean): void {
    this.length = -1
    this.listener.onFrame(this.kind, body, isOwn)
  }

  /** It doesn't keep the whole chunk in memory. */
  private copyOf(body: Buffer): Buffer {
    const copy = this.listener.allocate(this.kind, body.length)
    body.copy(copy)
    return copy
  }

  private keep(part: Buffer): void {
    const needed = this.bodyRead + part.length
    if (needed > this.body.length) {
      const capacity = Math.min(this.length, growth * needed)
      const larger = this.listener.allocate(this.kind, capacity)
      this.body.copy(larger, 0, 0, this.bodyRead)
      this.body = larger
    }
    part.copy(this.body, this.bodyRead)
    this.bodyRead = needed
  }
}
