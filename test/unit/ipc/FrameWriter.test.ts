import { createHash } from "node:crypto"
import { Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as BufferPool from "../../../layers/BufferPool.js"
import { FrameWriter } from "../../../layers/ipc/FrameWriter.js"
import { Kind, Reader } from "../../../layers/ipc/LengthPrefix.js"
import type { Packet } from "../../../src/connection/Transport.js"

/** A socket that looks at what it was given some time later, and the frames that it got. */
const slowSocket = () => {
  const frames: Array<Packet> = []
  const reader = new Reader({
    onHeader: () => true,
    onFrame: (kind, body) => frames.push(kind === Kind.text ? body.toString() : Uint8Array.from(body)),
    onReceiving: () => {},
    allocate: (_, length) => Buffer.allocUnsafeSlow(length)
  })
  const socket = new Writable({
    highWaterMark: 0,
    write: (chunk, _, done) => {
      setImmediate(() => {
        reader.read(chunk)
        done()
      })
    }
  })
  return { socket, frames, ended: Effect.async<void>((resume) => void socket.end(() => resume(Effect.void))) }
}

const length = FastCheck.oneof(FastCheck.nat(20), FastCheck.nat(5000), FastCheck.nat(40_000))
const text = FastCheck.tuple(FastCheck.constantFrom("x", "ü", "😀"), length).map(([unit, count]) => unit.repeat(count))
const bytes = FastCheck.tuple(FastCheck.nat(255), length).map(([byte, count]) => new Uint8Array(count).fill(byte))

const told = (packet: Packet) => `${typeof packet} ${createHash("sha1").update(packet).digest("hex")}`

describe("FrameWriter", () => {
  it.effect.prop(
    "writes frames that arrive as they were when they were written, whatever becomes of the memory",
    [FastCheck.array(FastCheck.array(FastCheck.oneof(text, bytes), { maxLength: 4 }), { maxLength: 4 }), bytes],
    ([batches, alone]) =>
      Effect.gen(function* () {
        const { ended, frames, socket } = slowSocket()
        const writer = new FrameWriter(socket)
        for (const batch of batches) {
          writer.write(batch)
          const borrowed = Uint8Array.from(alone)
          writer.writeBytes("d:1::", borrowed)
          borrowed.fill(0)
        }
        yield* ended
        const head = Buffer.from("d:1::\n")
        assert.deepStrictEqual(
          frames.map(told),
          batches.flatMap((batch) => [...batch, Buffer.concat([head, alone])]).map(told)
        )
      }),
    { fastCheck: { numRuns: 10 } }
  )

  it.effect("leaves lent memory to a tool that has replaced the socket's write function", () =>
    Effect.gen(function* () {
      const socket = new Writable({ write: (_chunk, _encoding, callback) => callback() })
      const { write } = socket
      socket.write = (...args: ReadonlyArray<unknown>) => Reflect.apply(write, socket, args)
      const frame = BufferPool.lend(BufferPool.takeClose(100_000), 100_000)
      new FrameWriter(socket).write([frame])
      yield* Effect.promise(() => new Promise((resolve) => socket.end(resolve)))
      assert.isDefined(BufferPool.loanOf(frame))
    })
  )

  it.effect("gives lent memory back once the socket has written it", () =>
    Effect.gen(function* () {
      let done: (() => void) | undefined
      const socket = new Writable({
        write: (chunk, _, callback) => {
          if (chunk.length > 5) done = callback
          else callback()
        }
      })
      const isFree = (frame: Buffer) => {
        const taken = BufferPool.takeClose(frame.length)
        BufferPool.give(taken)
        return taken.buffer === frame.buffer
      }
      const frame = BufferPool.lend(BufferPool.takeClose(100_000), 100_000)
      new FrameWriter(socket).write([frame])
      assert.isDefined(done)
      assert.isFalse(isFree(frame))
      done?.()
      yield* Effect.promise(() => new Promise((resolve) => socket.end(resolve)))
      assert.isTrue(isFree(frame))
    })
  )
})
