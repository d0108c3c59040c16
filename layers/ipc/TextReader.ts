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

export class TextReader {
  private readonly boundaries = new FrameBoundaries()
  private wsReads = false
  private readonly maskBit: number
  private readonly keyLength: number

  /** Reads from now on, in the place of ws. */
  static start(socket: Duplex, isServer: boolean, maxFrameBytes: number, listener: TextListener): void {
    const byWs = socket.listeners("data")[0] as OnData | undefined
    if (byWs === undefined) return
    const reader = new TextReader(socket, byWs, isServer, maxFrameBytes, listener)
    socket.removeListener("data", byWs)
    socket.on("data", reader.onData)
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

  private readonly onData: OnData = (chunk) => {
    if (this.wsReads) return this.follow(chunk)
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
    this.wsReads = true
    this.follow(chunk)
    this.socket.on("data", this.byWs)
    this.byWs.call(this.socket, chunk)
  }

  /** Called before ws reads the bytes, which it unmasks in place. */
  private follow(chunk: Buffer): void {
    this.boundaries.follow(chunk)
    this.listener.onBytesForWs(chunk.length)
    // Not before ws has told of an error, which it does some ticks later.
    if (this.boundaries.isBetweenMessages) setImmediate(this.returnToTexts)
  }

  private readonly returnToTexts = () => {
    if (!this.wsReads || !this.boundaries.isBetweenMessages) return
    this.wsReads = false
    // Where ws reads no more, it has removed its listener.
    const goesOn = this.socket.listeners("data").includes(this.byWs)
    this.socket.removeListener("data", goesOn ? this.byWs : this.onData)
  }
}
