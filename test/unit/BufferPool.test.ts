import { Writable } from "node:stream"
import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as BufferPool from "../../layers/BufferPool.js"

/** What becomes of one of the loans. */
const use = FastCheck.record({
  what: FastCheck.constantFrom("lend", "lend", "giveBack", "giveBack", "shorten", "end"),
  length: FastCheck.integer({ min: 1, max: 70_000 }),
  loan: FastCheck.nat(),
  from: FastCheck.constantFrom("returned", "returned", "returned", "start", "later"),
  part: FastCheck.constantFrom(1, 1, 0.5, 0)
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

  it("leaves what was written as it is for a tool that has replaced the socket's write function", async () => {
    const kept: Array<Buffer> = []
    const socket = new Writable({ write: (_chunk, _encoding, done) => done() })
    const { write } = socket
    socket.write = (...args: ReadonlyArray<unknown>) => {
      kept.push(args[0] as Buffer)
      return Reflect.apply(write, socket, args)
    }
    for (let value = 1; value <= 3; value++) {
      const buffer = BufferPool.takeForWrite(socket, 10_000).fill(value)
      BufferPool.write(socket, buffer, 10_000)
      await setImmediate()
    }
    assert.deepStrictEqual(
      kept,
      [1, 2, 3].map((value) => Buffer.alloc(10_000, value))
    )
  })

  it.prop(
    "leaves what is lent as it is until each of its bytes was given back, and then lends it to one at a time",
    [FastCheck.array(use, { minLength: 20, maxLength: 60 })],
    ([uses]) => {
      const loans: Array<{ loan: BufferPool.Loan; view: Buffer; value: number; length: number; returned: number }> = []
      for (const [value, { from: start, length, loan: at, part, what }] of uses.entries()) {
        if (what === "lend" || loans.length === 0) {
          const view = BufferPool.lend(BufferPool.take(length), length).fill(value)
          loans.push({ loan: BufferPool.loanOf(view) as BufferPool.Loan, view, value, length, returned: 0 })
          continue
        }
        const used = loans[at % loans.length] as (typeof loans)[number]
        const from = start === "start" ? 0 : start === "later" ? used.view.length - 1 : used.returned
        const to = from + Math.floor(part * (used.view.length - from))
        if (what === "shorten") used.loan.shorten(to)
        else if (what === "giveBack") used.loan.giveBack(from, to)
        else used.loan.end()
        if (used.returned >= used.length) continue
        if (what === "shorten") used.length = Math.min(used.length, to)
        else if (what === "end") used.returned = Number.NaN
        else if (from === used.returned) used.returned = to
      }
      for (const { length, loan, returned, value, view } of loans) {
        if (returned >= length) continue
        assert.isTrue(view.every((byte) => byte === value))
        assert.strictEqual(BufferPool.loanOf(view), Number.isNaN(returned) ? undefined : loan)
      }
    },
    { fastCheck: { numRuns: 50 } }
  )

  it("takes lent memory back once, also where it was lent again", () => {
    const view = BufferPool.lend(BufferPool.take(100_000), 90_000)
    const loan = BufferPool.loanOf(view)
    loan?.giveBack(0, 40_000)
    loan?.giveBack(40_000, 90_000)
    assert.isUndefined(BufferPool.loanOf(view))
    loan?.giveBack(0, 90_000)
    const [again, other] = [BufferPool.take(100_000), BufferPool.take(100_000)]
    assert.deepStrictEqual([again.buffer === view.buffer, other.buffer === view.buffer], [true, false])
    BufferPool.loanOf(BufferPool.lend(again, 95_000))?.giveBack(0, 90_000)
    loan?.giveBack(90_000, 95_000)
    loan?.end()
    assert.isFalse(BufferPool.take(100_000).buffer === view.buffer)
  })
})
