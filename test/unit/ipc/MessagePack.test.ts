import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { pack } from "msgpackr"
import * as MessagePack from "../../../layers/ipc/MessagePack.js"

const messagePack = await Effect.runPromise(MessagePack.messagePack)

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

const listOf = (item: ReadonlyArray<number>, count: number) => {
  const list = new Uint8Array(5 + item.length * count)
  list[0] = 0xdd
  new DataView(list.buffer).setUint32(1, count)
  for (let i = 0; i < count; i++) list.set(item, 5 + i * item.length)
  return list
}

const decode = (encoded: Uint8Array) =>
  messagePack.weigh(encoded) === undefined ? undefined : messagePack.decode(encoded)

const json = FastCheck.jsonValue({ maxDepth: 6 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)

describe("MessagePack", () => {
  it("gives back whatever JSON holds", () => {
    FastCheck.assert(
      FastCheck.property(json, (value) => {
        const encoded = messagePack.print("", value)
        if (JSON.stringify(value).includes("__proto__")) return assert.isUndefined(encoded)
        assert.isDefined(encoded)
        assert.deepStrictEqual(decode((encoded as Uint8Array).subarray(1)), { value })
      })
    )
  })

  it("leaves to JSON what it has only extension types for, or can't express", () => {
    const circular: { self?: unknown } = {}
    circular.self = circular
    const values = [undefined, { a: undefined }, new Date(0), new Error("x"), circular, Symbol("x"), () => 1]
    assert.deepStrictEqual(
      values.map((value) => messagePack.print("", value)),
      values.map(() => undefined)
    )
  })

  it("prints a value whose getter prints another one", () => {
    const value = {
      a: "first",
      get b() {
        messagePack.print("", { c: "other" })
        return "second"
      }
    }
    const frame = messagePack.print("", value)
    assert.isDefined(frame)
    assert.deepStrictEqual(decode((frame as Uint8Array).subarray(1)), { value: { a: "first", b: "second" } })
  })

  it("prints a value whose getter uses msgpackr for itself", () => {
    // The memory that msgpackr leaves out before the next value then has what begins a list of two.
    const lists = Array.from({ length: 30 }).reduce<unknown>((list) => [list, 1], 1)
    for (let length = 0; length < 8; length++) {
      messagePack.print("", lists)
      const a = "x".repeat(length)
      const value = {
        a,
        get b() {
          pack(1)
          return "second"
        },
        c: 3
      }
      const frame = messagePack.print("", value)
      assert.isDefined(frame)
      assert.deepStrictEqual(decode((frame as Uint8Array).subarray(1)), { value: { a, b: "second", c: 3 } })
    }
  })

  it("prints after a value that has thrown, and keeps none of its memory", async () => {
    setFlagsFromString("--expose-gc")
    const collectGarbage: () => void = runInNewContext("gc")
    const large = "x".repeat(8 * 1024 * 1024)
    const throwing = {
      large,
      get last() {
        throw new Error("it can't be read")
      }
    }
    const before = process.memoryUsage().arrayBuffers
    const isKept = () => process.memoryUsage().arrayBuffers - before > large.length / 2
    for (let i = 0; i < 3; i++) {
      assert.isUndefined(messagePack.print("", throwing))
      const frame = messagePack.print("", { i })
      assert.deepStrictEqual(decode((frame as Uint8Array).subarray(1)), { value: { i } })
    }
    // V8 frees buffers in a thread of its own.
    for (let turn = 0; turn < 200 && isKept(); turn++) {
      collectGarbage()
      await new Promise(setImmediate)
    }
    assert.isFalse(isKept())
  })

  it("keeps what it has printed, whatever it prints and others decode afterwards", () => {
    const values = [1, 9, 9, 3, 60, 9, 2, 9, 200, 9].map((n, i) => ({ list: Array(2_000 * n).fill(`item ${i}`) }))
    const frames = values.map((value) => messagePack.print("r:1:x:", value) as Uint8Array)
    // Short ones come out of Node's own pool.
    const waiting = frames.filter(({ length }) => length > 64 * 1024)
    for (const frame of waiting) assert.isAtMost(frame.buffer.byteLength, frame.length + 8192)
    assert.deepStrictEqual(
      frames.map((frame) => decode(frame.subarray(7))),
      values.map((value) => ({ value }))
    )
  })

  it("keeps nothing of the memory that it decodes from", () => {
    const value = { texts: ["short", "x".repeat(30), "größe".repeat(200)], bytes: new Uint8Array(70_000).fill(7) }
    const encoded = (messagePack.print("", value) as Uint8Array).subarray(1)
    const decoded = decode(encoded) as { readonly value: typeof value }
    encoded.fill(0)
    assert.deepStrictEqual([decoded.value.texts, [...new Set(decoded.value.bytes)]], [value.texts, [7]])
  })

  it("decodes nothing that isn't one whole value of the allowed kinds", () => {
    const refused = [
      bytes(),
      bytes(0xc1),
      // Extension types, a timestamp among them.
      bytes(0xd4, 0, 0),
      bytes(0xd6, 0xff, 0, 0, 0, 0),
      bytes(0xc7, 1, 0, 0),
      // Two values, and half of one.
      bytes(1, 2),
      bytes(0xa3, 0x61),
      bytes(0x92, 1),
      // A list, a map, a text and bytes that say they are as long as 4 GiB.
      bytes(0xdd, 0xff, 0xff, 0xff, 0xff, 1),
      bytes(0xdf, 0xff, 0xff, 0xff, 0xff, 1, 1),
      bytes(0xdb, 0xff, 0xff, 0xff, 0xff, 1),
      bytes(0xc6, 0xff, 0xff, 0xff, 0xff, 1),
      bytes(0xdc, 0),
      // Too deep, and too many empty lists.
      new Uint8Array(100_000).fill(0x91),
      Uint8Array.from([0xdd, 0, 0x20, 0, 0, ...new Uint8Array(1)])
    ]
    for (const value of refused) assert.isUndefined(decode(value))
    for (const [item, count] of [
      [[0x90], 1_000_000],
      [[0xc4, 0], 1_000_001]
    ] as const) {
      assert.isUndefined(messagePack.weigh(listOf(item, count)))
      assert.isNumber(messagePack.weigh(listOf(item, count - 1)))
    }
  })

  it("is weighed as what V8 takes for it at least", () => {
    // Bytes a value that V8 was seen to hold after decoding 300,000 of them, beside the bytes themselves.
    for (const [item, held] of [
      [[1], 8],
      [[0xca, 0x3f, 0xc0, 0, 0], 8],
      [[0x90], 40],
      [[0x80], 64],
      [[0x91, 1], 64],
      [[0x81, 0xa1, 0x61, 1], 56],
      [[0xa4, 0x61, 0x62, 0x63, 0x64], 32],
      [[0xc4, 0], 293]
    ] as const) {
      assert.isAtLeast(messagePack.weigh(listOf(item, 10_000)) as number, held * 10_000, String(item))
    }
  })

  it("never throws, whatever the bytes are, and pollutes no prototype", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.uint8Array({ maxLength: 200 }), (value) => {
        decode(value)
      }),
      { numRuns: 5000 }
    )
    const proto = bytes(0x81, 0xa9, ...new TextEncoder().encode("__proto__"), 0x81, 0xa1, 0x78, 1)
    decode(proto)
    assert.isFalse("x" in {})
  })
})
