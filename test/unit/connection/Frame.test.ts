import { assert, describe, it, vi } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { InvalidRequestName, IPCClient, IPCServer } from "effect-ipc"
import * as Frame from "../../../src/connection/Frame.js"
import * as JoinedFrames from "../../../src/connection/JoinedFrames.js"
import { isValidRequestName } from "../../../src/IPCRequest.js"

type PlainFrame = Frame.Message | Frame.Request | Frame.Response | Frame.Cancel

const print = (frame: PlainFrame): string | Frame.Unprintable => {
  switch (frame.type) {
    case "m":
      return Frame.printMessage(frame.path, frame.data)
    case "r":
      return Frame.printRequest(frame.id, frame.path, frame.data)
    case "s":
      return Frame.printOutcome(`s:${frame.id}:${frame.path}:`, frame.data as Frame.Failure)
    case "c":
      return Frame.printCancel(frame.id)
  }
}

const check = (property: FastCheck.IProperty<[unknown]> | FastCheck.IProperty<never>, numRuns = 500) =>
  FastCheck.assert(property as FastCheck.IProperty<[unknown]>, { numRuns })

const name = FastCheck.string({ unit: "grapheme", minLength: 1 }).filter(isValidRequestName)

const id = FastCheck.oneof(
  FastCheck.nat(),
  FastCheck.maxSafeNat(),
  FastCheck.constantFrom(0, 1, 9, 10, Number.MAX_SAFE_INTEGER)
)

/** Every value that JSON holds as it is; -0 it prints as 0. */
const json = FastCheck.jsonValue({ maxDepth: 6 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)

const hostileKeys = FastCheck.dictionary(
  FastCheck.constantFrom("__proto__", "constructor", "prototype", "toString", "a"),
  FastCheck.jsonValue(),
  { noNullPrototype: true }
).map((value) => JSON.parse(JSON.stringify(value)) as unknown)

const data = FastCheck.oneof(FastCheck.constant(undefined), json, hostileKeys)

const frame: FastCheck.Arbitrary<PlainFrame> = FastCheck.oneof(
  FastCheck.record({ type: FastCheck.constant("m" as const), path: name, data }),
  FastCheck.record({ type: FastCheck.constant("r" as const), id, path: name, data }),
  FastCheck.record({ type: FastCheck.constant("s" as const), id, path: name, data }),
  FastCheck.record({ type: FastCheck.constant("c" as const), id })
)

/** Texts that are almost frames: right parts in the wrong places, cut short, doubled, or with rubbish in them. */
const nearFrame = FastCheck.oneof(
  FastCheck.array(
    FastCheck.oneof(
      FastCheck.constantFrom("m", "r", "s", "c", "x", "", ":", "::", "\n", "-1", "007", "1e3", "9007199254740993"),
      FastCheck.constantFrom(
        '{"__proto__":{"polluted":true}}',
        '{"a":',
        "null",
        "\ud800",
        "[[[[",
        '"\\ud800"',
        "\u0000"
      ),
      FastCheck.string({ unit: "binary" })
    )
  ).map((parts) => parts.join(":")),
  FastCheck.tuple(frame, FastCheck.nat(), FastCheck.string({ unit: "binary" })).map(([whole, at, rubbish]) => {
    const text = print(whole) as string
    const position = at % (text.length + 1)
    return text.slice(0, position) + rubbish + text.slice(position)
  }),
  FastCheck.tuple(frame, FastCheck.nat()).map(([whole, at]) => {
    const text = print(whole) as string
    return text.slice(0, at % (text.length + 1))
  })
)

const defines = [IPCServer.defineRequest, IPCClient.defineRequest] as ReadonlyArray<
  (name: string, schemas?: object) => unknown
>

const kinds = ["m", "r", "s", "c", "malformed"]

describe("Frame", () => {
  it("reads back whatever frame it prints, for every name, id and JSON value", () => {
    check(
      FastCheck.property(frame, (whole) => {
        assert.deepStrictEqual(Frame.parse(print(whole) as string), whole)
      }) as never,
      2000
    )
  })

  it("prints back whatever text it reads, where the text is as print writes it", () => {
    check(
      FastCheck.property(frame, (whole) => {
        const text = print(whole) as string
        assert.strictEqual(print(Frame.parse(text) as PlainFrame), text)
      }) as never
    )
  })

  it("survives UTF-8: a frame's bytes, decoded, are the frame", () => {
    check(
      FastCheck.property(frame, (whole) => {
        const bytes = new TextEncoder().encode(print(whole) as string)
        assert.deepStrictEqual(Frame.parse(new TextDecoder().decode(bytes)), whole)
      }) as never
    )
  })

  it("never holds a line feed in a frame with a valid name, so that frames can be joined by it", () => {
    check(
      FastCheck.property(frame, (whole) => {
        assert.isFalse((print(whole) as string).includes(JoinedFrames.separator))
      }) as never
    )
  })

  it("prints as the wire has it", () => {
    assert.deepStrictEqual(
      [
        Frame.printMessage("a/b", { x: "1:2" }),
        Frame.printMessage("a/b", undefined),
        Frame.printRequest(7, "a/b", null),
        Frame.printRequest(7, "a/b", undefined),
        Frame.printSuccess(7, "a/b", [1]),
        Frame.printSuccess(7, "a/b", undefined),
        Frame.printOutcome("s:7:a/b:", { success: false, error: "no" }),
        Frame.printCancel(7)
      ],
      [
        'm::a/b:{"x":"1:2"}',
        "m::a/b:",
        "r:7:a/b:null",
        "r:7:a/b:",
        's:7:a/b:{"success":true,"data":[1]}',
        's:7:a/b:{"success":true}',
        's:7:a/b:{"success":false,"error":"no"}',
        "c:7::"
      ]
    )
  })

  it.each([
    ["", "it isn't type:id:path:data"],
    ["m", "it isn't type:id:path:data"],
    ["mm::a:", "it isn't type:id:path:data"],
    ["m:", "it isn't type:id:path:data"],
    ["r:1:a", "it isn't type:id:path:data"],
    ["m:1:a:", "a message has no id"],
    ["r::a:", "its id isn't a decimal number up to 2^53 - 1"],
    ["r:-1:a:", "its id isn't a decimal number up to 2^53 - 1"],
    ["r:01:a:", "its id isn't a decimal number up to 2^53 - 1"],
    ["r:1.5:a:", "its id isn't a decimal number up to 2^53 - 1"],
    ["r:1e3:a:", "its id isn't a decimal number up to 2^53 - 1"],
    ["r: 1:a:", "its id isn't a decimal number up to 2^53 - 1"],
    ["r:9007199254740992:a:", "its id isn't a decimal number up to 2^53 - 1"],
    [`s:${"9".repeat(400)}:a:`, "its id isn't a decimal number up to 2^53 - 1"],
    ["c:x::", "its id isn't a decimal number up to 2^53 - 1"],
    ["m::a:{", "its data isn't JSON"],
    ["r:1:a:undefined", "its data isn't JSON"],
    ["s:1:a:'x'", "its data isn't JSON"],
    ["x:1:a:", "its type is unknown"],
    ["R:1:a:", "its type is unknown"]
  ])("tells why %j is no frame", (text, issue) => {
    assert.deepStrictEqual(Frame.parse(text), { type: "malformed", issue })
  })

  it("reads the largest id", () => {
    assert.deepStrictEqual(Frame.parse("r:9007199254740991:a:"), {
      type: "r",
      id: Number.MAX_SAFE_INTEGER,
      path: "a",
      data: undefined
    })
  })

  it("never throws, whatever it reads", () => {
    check(
      FastCheck.property(FastCheck.oneof(FastCheck.string({ unit: "binary" }), nearFrame), (text) => {
        assert.include(kinds, Frame.parse(text).type)
      }) as never,
      5000
    )
  })

  it("reads deep nesting without an end of the stack", () => {
    const depth = 200_000
    const text = `m::deep:${"[".repeat(depth)}${"]".repeat(depth)}`
    assert.include(["m", "malformed"], Frame.parse(text).type)
    assert.deepStrictEqual(Frame.parse(`m::deep:${"[".repeat(depth)}`), {
      type: "malformed",
      issue: "its data isn't JSON"
    })
  })

  it("makes no stack trace for data that isn't JSON, so that a peer's bad frames cost little", () => {
    const { stackTraceLimit } = Error
    const { parse } = JSON
    let limit: number | undefined
    const parsing = vi.spyOn(JSON, "parse").mockImplementation((text) => {
      limit = Error.stackTraceLimit
      return parse(text)
    })
    assert.strictEqual(Frame.parse("r:1:add:{", 2).type, "malformed")
    parsing.mockRestore()
    assert.strictEqual(limit, 0)
    assert.strictEqual(Error.stackTraceLimit, stackTraceLimit)
  })

  it("pollutes no prototype", () => {
    const before = Reflect.ownKeys(Object.prototype)
    check(
      FastCheck.property(
        FastCheck.oneof(
          nearFrame,
          hostileKeys.map((value) => `m::a:${JSON.stringify(value)}`)
        ),
        (text) => {
          Frame.parse(text)
          assert.deepStrictEqual(Reflect.ownKeys(Object.prototype), before)
        }
      ) as never
    )
    const read = Frame.parse('m::a:{"__proto__":{"polluted":true}}') as Frame.Message
    assert.deepStrictEqual(Reflect.ownKeys(read.data as object), ["__proto__"])
    assert.isUndefined((read.data as { readonly polluted?: boolean }).polluted)
  })

  describe("prints no value that JSON can't express, and never throws", () => {
    const circular: { self?: unknown } = {}
    circular.self = circular
    let deep: unknown = 0
    for (let i = 0; i < 200_000; i++) deep = [deep]
    const throwing = (thrown: unknown) => ({
      toJSON() {
        throw thrown
      }
    })

    it.each<readonly [string, unknown, RegExp]>([
      ["circular", circular, /circular/i],
      ["too deep", deep, /stack/i],
      ["a bigint", { x: 1n }, /BigInt/],
      ["toJSON throws an Error", throwing(new Error("no JSON of me")), /^no JSON of me$/],
      ["toJSON throws a string", throwing("just text"), /^just text$/],
      ["toJSON throws undefined", throwing(undefined), /^undefined$/],
      ["toJSON throws a symbol", throwing(Symbol("s")), /^Symbol\(s\)$/],
      ["toJSON throws what has no text", throwing(Object.create(null)), /./],
      [
        "toJSON throws what throws when looked at",
        throwing(
          Object.defineProperty(new Error(), "message", {
            get() {
              throw new Error("again")
            }
          })
        ),
        /./
      ],
      [
        "a getter throws",
        {
          get x(): never {
            throw new Error("not to be read")
          }
        },
        /^not to be read$/
      ]
    ])("%s", (_, value, issue) => {
      const printed = [
        Frame.printMessage("a", value),
        Frame.printRequest(1, "a", value),
        Frame.printSuccess(1, "a", value),
        print({ type: "s", id: 1, path: "a", data: value })
      ]
      for (const one of printed) {
        assert.strictEqual((one as Frame.Unprintable).type, "unprintable")
        assert.match((one as Frame.Unprintable).issue, issue)
      }
    })

    it("any value at all", () => {
      const anything = FastCheck.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withNullPrototype: true,
        withObjectString: true,
        withSparseArray: true,
        withTypedArray: true
      })
      check(
        FastCheck.property(anything, (value) => {
          const printed = Frame.printRequest(1, "a", value)
          if (typeof printed === "string") assert.strictEqual(Frame.parse(printed).type, "r")
          else assert.strictEqual(printed.type, "unprintable")
        }) as never,
        1000
      )
    })
  })

  it("takes for the data of a response what the protocol says, and nothing else", () => {
    const outcomes = [{ success: true }, { success: true, data: 1 }, { success: false, error: "" }]
    const others = [
      undefined,
      null,
      true,
      "x",
      [],
      {},
      { success: 1 },
      { success: "true" },
      { success: false },
      { success: false, error: 1 }
    ]
    assert.deepStrictEqual([...outcomes, ...others].map(Frame.isOutcome), [
      ...outcomes.map(() => true),
      ...others.map(() => false)
    ])
  })

  describe("a request's name", () => {
    it.each(["", "a:b", ":", "a\nb", "a\u0000", "\u001f", "\t", "a\ud800", "\udc00b"])("isn't %j", (bad) => {
      for (const define of defines) {
        let thrown: unknown
        try {
          define(bad)
        } catch (error) {
          thrown = error
        }
        assert.instanceOf(thrown, InvalidRequestName)
        assert.deepStrictEqual({ ...thrown }, { _tag: "InvalidRequestName", request: bad } as never)
        assert.include(thrown.message, `${JSON.stringify(bad)} can't name a request`)
        assert.include(thrown.message, "users/get")
        assert.throws(() => define(bad, {}), thrown.message)
      }
    })

    it.each(["a", "users/get", "größe", "日本", "😀", "with space", "__proto__", "a.b-c_d?e=f"])(
      "may be %j",
      (good) => {
        assert.strictEqual(IPCServer.defineRequest(good) as string, good)
        assert.strictEqual(IPCClient.defineRequest(good, {}).name, good)
      }
    )
  })
})
