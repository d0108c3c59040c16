/**
 * Reads the socket of a WebSocket: text frames that arrived whole by itself, everything else by ws.
 *
 * @internal
 */
import type { Duplex } from "node:stream"
import { setImmediate } from "node:timers"
import { FrameBoundaries } from "./FrameBoundaries.js"
import * as Text from "./Text.js"
import * as TextFrames from "./TextFrames.js"

export interface TextListener {
  readonly onText: (text: string) => void
  /** Called with bytes that ws is about to read. */
  readonly onBytesForWs: (count: number) => void
}

type OnData = (chunk: Buffer) => void

/** Where a socket has its reader. */
const readerOf = Symbol("reader")

type Read = Duplex & { [readerOf]?: TextReader | undefined }

/** Shared by all sockets, of which a server may have very many. */
function onData(this: Read, chunk: Buffer): void {
  this[readerOf]?.onData(chunk)
}

export class TextReader {
  /** Those of the frames that ws reads; undefined while it reads none, as on most connections. */
  private boundaries: FrameBoundaries | undefined
  private readonly maskBit: number
  private readonly keyLength: number

  /** Reads from now on, in the place of ws. */
  static start(socket: Read, isServer: boolean, maxFrameBytes: number, listener: TextListener): void {
    const byWs = socket.listeners("data")[0] as OnData | undefined
    if (byWs === undefined) return
    socket[readerOf] = new TextReader(socket, byWs, isServer, maxFrameBytes, listener)
    socket.removeListener("data", byWs)
    socket.on("data", onData)
  }

  private constructor(
    private readonly socket: Duplex,
    private readonly byWs: OnData,
    isServer: boolean,
    private readonly maxFrameBytes: number,
    private readonly listener: TextListener
  ) {
    // A server reads what is masked.
    this.maskBit = isServer ? TextFrames.maskBit : 0
    this.keyLength = isServer ? TextFrames.keyLength : 0
  }

  onData(chunk: Buffer): void {
    if (this.boundaries !== undefined) return this.follow(chunk, this.boundaries)
    const read = this.readTexts(chunk)
    if (read < chunk.length) this.leave(read === 0 ? chunk : chunk.subarray(read))
  }

  /** Reads texts as long as the next is whole. Returns how many bytes that were. */
  private readTexts(chunk: Buffer): number {
    const { keyLength, listener, maskBit } = this
    let at = 0
    while (at + 2 <= chunk.length && chunk[at] === TextFrames.finalText) {
      let start = at + 2 + keyLength
      // With the wrong mask bit it is 128 or more.
      let length = (chunk[at + 1] as number) ^ maskBit
      if (length === TextFrames.length16 && start + 2 <= chunk.length) {
        length = chunk.readUInt16BE(at + 2)
        start += 2
      } else if (length >= TextFrames.length16) break
      const end = start + length
      if (end > chunk.length || length > this.maxFrameBytes) break
      if (maskBit !== 0) TextFrames.mask(chunk, start, end)
      const text = Text.of(chunk.subarray(start, end))
      if (text === undefined) {
        // ws closes the connection for it.
        if (maskBit !== 0) TextFrames.mask(chunk, start, end)
        break
      }
      at = end
      listener.onText(text)
    }
    return at
  }

  /** From these bytes on ws reads. */
  private leave(chunk: Buffer): void {
    this.boundaries = new FrameBoundaries()
    this.follow(chunk, this.boundaries)
    this.socket.on("data", this.byWs)
    this.byWs.call(this.socket, chunk)
  }

  /** Called before ws reads the bytes, which it unmasks in place. */
  private follow(chunk: Buffer, boundaries: FrameBoundaries): void {
    boundaries.follow(chunk)
    this.listener.onBytesForWs(chunk.length)
    // Not before ws has told of an error, which it does some ticks later.
    if (boundaries.isBetweenMessages) setImmediate(returnToTexts, this)
  }

  returnToTexts(): void {
    if (this.boundaries?.isBetweenMessages !== true) return
    this.boundaries = undefined
    // Where ws reads no more, it has removed its listener.
    const goesOn = this.socket.listeners("data").includes(this.byWs)
    this.socket.removeListener("data", goesOn ? this.byWs : onData)
  }
}

const returnToTexts = (reader: TextReader) => reader.returnToTexts()
