import { channel } from "node:diagnostics_channel"
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as BufferPool from "../../../layers/BufferPool.js"
import { UpstreamReads } from "../../../layers/http/proxy/UpstreamReads.js"

/** A socket whose reads are made by hand. */
const reading = () => {
  const reads = new UpstreamReads()
  const socket = new Socket()
  const pushed: Array<Buffer> = []
  socket.push = (chunk: Buffer) => pushed.push(chunk) > 0
  socket.read = () => pushed.shift() ?? null
  reads.begin(socket)
  const next = reads.options.buffer as () => Buffer
  let buffer = next()
  const arrive = (part: number, value: number): void => {
    const length = Math.max(1, Math.floor(part * buffer.length))
    buffer.fill(value, 0, length)
    reads.options.callback(length, buffer)
    buffer = next()
  }
  const read = (part: number, value: number): Buffer => {
    arrive(part, value)
    return socket.read()
  }
  return { arrive, read, socket, length: () => buffer.length }
}

/** Reads as much as its buffer takes, until what it has read is lent. */
const lend = (read: (part: number, value: number) => Buffer, value: number): Buffer => {
  const chunk = read(1, value)
  return BufferPool.loanOf(chunk) === undefined ? lend(read, value) : chunk
}

describe("UpstreamReads", () => {
  const step = fc.record({
    socket: fc.nat(2),
    part: fc.constantFrom(1, 1, 1, 0.9, 0.6, 0.4, 0.001),
    givesBack: fc.boolean()
  })

  it("leaves what was read as it was until it is given back", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const sockets = [reading(), reading(), reading()]
        const kept: Array<{ readonly chunk: Buffer; readonly value: number }> = []
        for (const [i, { givesBack, part, socket }] of steps.entries()) {
          const value = i + 1
          const chunk = sockets[socket]?.read(part, value) as Buffer
          const loan = BufferPool.loanOf(chunk)
          if (givesBack && loan !== undefined) loan.giveBack(0, chunk.length)
          else kept.push({ chunk, value })
        }
        for (const { chunk, value } of kept) assert.isTrue(chunk.every((byte) => byte === value))
        for (const { socket } of sockets) socket.emit("close")
      }),
      { numRuns: 40 }
    )
  })

  it("lends nothing that is about to be shown to a subscriber, who may keep it and subscribe for that alone", () => {
    const { arrive, read, socket } = reading()
    lend(read, 1)
    arrive(1, 2)
    const shown = channel("undici:request:bodyChunkReceived")
    const once = () => shown.unsubscribe(once)
    shown.subscribe(once)
    const chunk: Buffer = socket.read()
    shown.publish({ chunk })
    assert.isUndefined(BufferPool.loanOf(chunk))
    assert.isDefined(BufferPool.loanOf(read(1, 3)))
    socket.emit("close")
  })

  it("holds no memory of its own while it waits, and few sockets hold the longest buffers", () => {
    const sockets = Array.from({ length: 40 }, reading)
    const short = sockets[0]?.length() as number
    for (const { read } of sockets) for (let i = 0; i < 4; i++) read(1, 1)
    assert.strictEqual(sockets.filter(({ length }) => length() >= 256 * 1024).length, 32)
    for (const { length, read } of sockets) {
      read(0.9, 1)
      assert.strictEqual(length(), short)
    }
    for (const { read } of sockets.slice(-1)) for (let i = 0; i < 4; i++) read(1, 1)
    assert.isAtLeast(sockets.at(-1)?.length() as number, 256 * 1024)
    for (const { socket } of sockets) socket.emit("close")
  })
})
