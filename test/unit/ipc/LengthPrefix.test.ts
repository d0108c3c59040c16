import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { headerLength, Kind, printHeader, printText, Reader } from "../../../layers/ipc/LengthPrefix.js"

/** What a reader tells of a stream that comes in such chunks, each in memory that is used again. */
const read = (stream: Buffer, cuts: ReadonlyArray<number>, limit = Number.POSITIVE_INFINITY) => {
  const frames: Array<readonly [number, string | Buffer]> = []
  const receiving: Array<number> = []
  const reader = new Reader({
    onHeader: (_, length) => length <= limit,
    onFrame: (kind, body) => frames.push([kind, kind === Kind.bytes ? body : body.toString("latin1")]),
    onReceiving: (bytes) => receiving.push(bytes),
    allocate: (_, length) => Buffer.allocUnsafeSlow(length)
  })
  const ends = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b)
  let start = 0
  for (const end of [...ends, stream.length]) {
    const chunk = Buffer.from(stream.subarray(start, end))
    reader.read(chunk)
    chunk.fill(0)
    start = end
  }
  return { frames: frames.map(([kind, body]) => [kind, body.toString("latin1")] as const), receiving }
}

const frame = FastCheck.tuple(
  FastCheck.constantFrom(...Object.values(Kind)),
  FastCheck.oneof(
    FastCheck.string({ maxLength: 20 }),
    FastCheck.nat(200_000).map((length) => "x".repeat(length))
  )
)

const print = ([kind, text]: readonly [number, string]) => {
  const body = Buffer.from(text)
  return Buffer.concat([printHeader(kind, body.length), body])
}

describe("Length-prefixed frames", () => {
  it.prop(
    "are read as they were written, however the stream is cut",
    [FastCheck.array(frame, { maxLength: 6 }), FastCheck.array(FastCheck.nat(), { maxLength: 20 })],
    ([frames, cuts]) => {
      const { frames: got, receiving } = read(Buffer.concat(frames.map(print)), cuts)
      assert.deepStrictEqual(
        got,
        frames.map(([kind, text]) => [kind, Buffer.from(text).toString("latin1")] as const)
      )
      if (receiving.length > 0) assert.strictEqual(receiving.at(-1), 0)
    },
    { fastCheck: { numRuns: 50 } }
  )

  it.prop("carry text", [FastCheck.string({ unit: "binary" })], ([text]) => {
    const { frames } = read(printText(text), [3])
    assert.deepStrictEqual(frames, [[Kind.text, Buffer.from(text).toString("latin1")]])
  })

  it("cost nothing by the length that they tell, and what has come of a body is told", () => {
    const stream = Buffer.concat([printHeader(Kind.bytes, 0xffffffff), Buffer.alloc(10)])
    assert.deepStrictEqual(read(stream, [headerLength + 1]), { frames: [], receiving: [1, 10] })
  })

  it("end where a header is refused", () => {
    const stream = Buffer.concat([printText("first"), printText("too long"), printText("third")])
    assert.deepStrictEqual(read(stream, [], 5).frames, [[Kind.text, "first"]])
  })

  it("are read as well where every byte comes by itself", () => {
    const text = "x".repeat(100_000)
    const stream = printText(text)
    const cuts = Array.from({ length: stream.length }, (_, i) => i)
    assert.deepStrictEqual(read(stream, cuts).frames, [[Kind.text, text]])
  })
})
