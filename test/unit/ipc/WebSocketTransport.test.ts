import { EventEmitter } from "node:events"
import { Duplex } from "node:stream"
import { setImmediate as nextTurn } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import type { WebSocket } from "ws"
import * as WebSocketTransport from "../../../layers/ipc/WebSocketTransport.js"
import type { TransportListener } from "../../../src/connection/Transport.js"

type Written = (error?: Error | null) => void

/** A socket that takes what is written when the test says so, as one does whose peer reads slowly. */
class SlowSocket extends Duplex {
  taken = ""
  private underway: { readonly text: string; readonly written: Written } | undefined

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: Written): void {
    this.underway = { text: chunk.toString(), written }
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Buffer }>, written: Written): void {
    this.underway = { text: chunks.map(({ chunk }) => chunk.toString()).join(""), written }
  }

  async letThrough(): Promise<void> {
    const underway = this.underway
    if (underway === undefined) return
    this.underway = undefined
    this.taken += underway.text
    underway.written()
    await nextTurn()
  }
}

/** What the transport uses of a `WebSocket`, without its framing. */
class PlainWebSocket extends EventEmitter {
  readonly OPEN = 1
  readonly protocol = ""
  readyState = this.OPEN

  constructor(private readonly socket: Duplex) {
    super()
  }

  get bufferedAmount(): number {
    return this.socket.writableLength
  }

  send(text: string): void {
    this.socket.write(text)
  }
}

const make = () => {
  const socket = new SlowSocket()
  const webSocket = new PlainWebSocket(socket)
  const transport = WebSocketTransport.make(webSocket as unknown as WebSocket, socket, 1024)
  /** What was unsent each time that the transport told of a drain. */
  const drains: Array<number> = []
  const listener: TransportListener = {
    onText: () => {},
    onBytes: () => {},
    onReceiving: () => {},
    onAlive: () => {},
    onClosed: () => {},
    onDrain: () => drains.push(transport.unsent())
  }
  transport.listen(listener)
  return { drains, socket, transport, webSocket }
}

describe("WebSocketTransport", () => {
  it("sends a long turn's frames in batches while more are made", async () => {
    const { socket, transport } = make()
    const frames = Array.from({ length: 100 }, (_, i) => `${i};`)
    for (const frame of frames) transport.send(frame)
    await socket.letThrough()
    // Nothing else has run since the first was sent: what is under way left before the turn's end.
    assert.strictEqual(socket.taken, frames.slice(0, 32).join(""))
    while (socket.taken.length < frames.join("").length) await socket.letThrough()
    assert.strictEqual(socket.taken, frames.join(""))
  })

  it("sends half of what a turn usually sends at once, where that is more", async () => {
    const { socket, transport } = make()
    const frames = Array.from({ length: 100 }, (_, i) => `${i};`)
    const all = frames.join("")
    for (const frame of frames) transport.send(frame)
    while (socket.taken.length < all.length) await socket.letThrough()
    for (const frame of frames) transport.send(frame)
    await socket.letThrough()
    assert.strictEqual(socket.taken.slice(all.length), frames.slice(0, 50).join(""))
  })

  it("tells when the last has left, also of what was sent while it waited to tell", async () => {
    const { drains, socket, transport } = make()
    for (const text of ["first", "second"]) {
      transport.send(text)
      await nextTurn()
    }
    await socket.letThrough()
    // The second is underway, and with it the mark that was set behind the first.
    transport.send("third")
    await nextTurn()
    await socket.letThrough()
    assert.deepStrictEqual([socket.taken, drains.at(-1)], ["firstsecond", "third".length])
    await socket.letThrough()
    await socket.letThrough()
    assert.deepStrictEqual([socket.taken, drains.at(-1)], ["firstsecondthird", 0])
  })

  it("sends in order what leaves at once and what waits for the end of the turn", async () => {
    const { socket, transport } = make()
    const long = "x".repeat(40_000)
    const texts = ["a", long, "b", long, "c"]
    for (const text of texts) transport.send(text)
    await nextTurn()
    for (let i = 0; i < 4; i++) await socket.letThrough()
    assert.strictEqual(socket.taken, texts.join(""))
    assert.strictEqual(transport.unsent(), 0)
  })

  it("leaves a socket alone that has failed", async () => {
    const { drains, socket, transport } = make()
    socket.on("error", () => {})
    transport.send("first")
    await nextTurn()
    transport.send("second")
    await nextTurn()
    socket.destroy(new Error("reset"))
    await nextTurn()
    const told = drains.length
    await nextTurn()
    assert.strictEqual(drains.length, told)
  })
})
