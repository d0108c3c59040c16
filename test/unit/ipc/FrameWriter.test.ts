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
  const reader = new Reader(
    {
      onHeader: () => true,
      onFrame: (kind, body) => frames.push(kind === Kind.text ? body.toString() : Uint8Array.from(body)),
      onReceiving: () => {}
    },
    (_, length) => Buffer.allocUnsafeSlow(length)
  )
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
})

describe("BufferPool", () => {
  it("gives memory to one at a time, and keeps no more than a MiB of it", () => {
    const taken = Array.from({ length: 40 }, () => BufferPool.take(100_000))
    assert.strictEqual(new Set(taken).size, taken.length)
    for (const buffer of taken) BufferPool.give(buffer)
    const known = new Set(taken)
    const again = Array.from({ length: 40 }, () => BufferPool.take(100_000)).filter((buffer) => known.has(buffer))
    const bytes = again.reduce((sum, { length }) => sum + length, 0)
    assert.isAbove(bytes, 0)
    assert.isAtMost(bytes, 1024 * 1024)
  })

  it.prop(
    "takes hardly more than is written, and what it keeps, for what waits for a peer that doesn't read",
    [FastCheck.oneof(FastCheck.integer({ min: 1, max: 20_000 }), FastCheck.integer({ min: 1, max: 600_000 }))],
    ([length]) => {
      const stalled = new Writable({ write: () => {} })
      stalled.write("x")
      let taken = 0
      for (let i = 0; i < 1000; i++) {
        const buffer = BufferPool.takeForWrite(stalled, length)
        assert.isAtLeast(buffer.length, length)
        BufferPool.write(stalled, buffer, length)
        taken += buffer.length
      }
      assert.isAtMost(taken, (16 / 15) * 1000 * length + 1024 * 1024)
    },
    { fastCheck: { numRuns: 20 } }
  )

  it("keeps a length that is asked for now, however much it holds of another", () => {
    const short = Array.from({ length: 40 }, () => BufferPool.take(1000))
    for (const buffer of short) BufferPool.give(buffer)
    const long = BufferPool.take(500_000)
    BufferPool.give(long)
    assert.strictEqual(BufferPool.take(500_000), long)
  })
})
