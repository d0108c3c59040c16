import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as BufferPool from "../../../layers/BufferPool.js"
import { BodyReads } from "../../../layers/http/proxy/BodyReads.js"

/** A response as it comes: a head, chunks of a body with their lengths, a trailer. */
type Part = readonly [kind: "head" | "length" | "chunk", bytes: number]

const bytes = FastCheck.oneof(FastCheck.integer({ min: 1, max: 50 }), FastCheck.integer({ min: 1, max: 30_000 }))
const response = FastCheck.record({
  head: FastCheck.integer({ min: 1, max: 5_000 }),
  chunks: FastCheck.array(FastCheck.tuple(FastCheck.integer({ min: 1, max: 9 }), bytes), {
    minLength: 1,
    maxLength: 12
  }),
  trailer: FastCheck.nat(50)
}).map(
  ({ chunks, head, trailer }): ReadonlyArray<Part> => [
    ["head", head],
    ...chunks.flatMap(
      ([length, chunk]): ReadonlyArray<Part> => [
        ["length", length],
        ["chunk", chunk]
      ]
    ),
    ["length", 3],
    ["head", trailer]
  ]
)
const read = FastCheck.record({
  size: FastCheck.oneof(FastCheck.integer({ min: 1, max: 200 }), FastCheck.integer({ min: 1, max: 60_000 })),
  isLent: FastCheck.constantFrom(true, true, true, false),
  written: FastCheck.nat(4),
  /** Whether the rest of the read is copied into other memory after its first chunk, as where the client is slow. */
  isPaused: FastCheck.constantFrom(false, false, true)
})

describe("BodyReads", () => {
  it.prop(
    "leaves heads, trailers and what is still to be written as they are",
    [response, FastCheck.infiniteStream(read)],
    ([parts, reads]) => {
      const body = new BodyReads()
      const kept: Array<{
        readonly view: Buffer
        readonly expected: string
        readonly done?: (() => void) | undefined
      }> = []
      const toWrite: typeof kept = []
      const check = ({ expected, view }: (typeof kept)[number]) => assert.isTrue(view.toString("latin1") === expected)
      const write = (count: number) => {
        for (const one of toWrite.splice(0, count)) {
          check(one)
          one.done?.()
        }
        // Others use what was given back.
        for (const length of [1, 8_193, 24_577, 57_345]) BufferPool.take(length).fill(0)
      }
      const left = parts.map(([kind, length], i) => ({ kind, rest: Buffer.alloc(length, i + 1) }))
      const queue: Array<{ kind: Part[0]; view: Buffer }> = []
      for (const { isLent, isPaused, size, written } of reads) {
        while (left[0]?.rest.length === 0) left.shift()
        if (left.length === 0) break
        const filled = Buffer.concat(left.map(({ rest }) => rest)).subarray(0, size)
        const memory = isLent ? BufferPool.lend(BufferPool.take(size), filled.length) : Buffer.alloc(filled.length)
        filled.copy(memory)
        for (let at = 0; at < filled.length; ) {
          const part = left[0] as (typeof left)[number]
          const view = memory.subarray(at, at + part.rest.length)
          if (view.length > 0) queue.push({ kind: part.kind, view })
          at += view.length
          part.rest = part.rest.subarray(view.length)
          if (part.rest.length === 0) left.shift()
        }
        for (let isCopied = false, next = queue.shift(); next !== undefined; next = queue.shift()) {
          const view = isCopied ? Buffer.from(next.view) : next.view
          const expected = view.toString("latin1")
          if (next.kind === "head") kept.push({ view, expected })
          if (next.kind !== "chunk") continue
          toWrite.push({ view, expected, done: body.next(view) })
          isCopied ||= isPaused
        }
        write(written)
        kept.forEach(check)
      }
      if (parts.at(-1)?.[1] === 0) body.end()
      write(toWrite.length)
      kept.forEach(check)
    },
    { fastCheck: { numRuns: 100 } }
  )

  it.each([
    { what: "a trailer", isEnded: false, isBack: [false, true, true, false] },
    { what: "no trailer", isEnded: true, isBack: [false, true, true, true] }
  ])(
    "gives back each read of a body with $what, but for heads and trailers, whatever lengths of chunks are in it",
    ({ isBack, isEnded }) => {
      const body = new BodyReads()
      const read = (...chunks: ReadonlyArray<readonly [from: number, to: number]>) => {
        const view = BufferPool.lend(BufferPool.take(50_000), 50_000)
        return { view, written: chunks.map(([from, to]) => body.next(view.subarray(from, to))) }
      }
      const reads = [
        // Begins with a head.
        read([200, 50_000]),
        read([0, 50_000]),
        read([7, 20_000], [20_008, 40_000], [40_008, 49_995]),
        read([2, 30_000])
      ]
      if (isEnded) body.end()
      assert.deepStrictEqual(
        reads.map(({ view }) => BufferPool.loanOf(view) === undefined),
        [false, false, false, false]
      )
      for (const done of reads.flatMap(({ written }) => written)) done?.()
      assert.deepStrictEqual(
        reads.map(({ view }) => BufferPool.loanOf(view) === undefined),
        isBack
      )
    }
  )
})
