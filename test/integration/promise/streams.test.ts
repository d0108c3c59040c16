import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import { IPCRequest } from "effect-ipc"
import { type ElementStream, IPCClient, IPCServer } from "effect-ipc/promise"
import { assert, describe, it } from "vitest"
import { NotFound } from "./requests.js"
import { clientOf, connect, event, rejection, relayTo, serve } from "./support.js"

const Count = IPCServer.defineStream<number, number>("count")
const Sum = IPCServer.defineStream<string, string, number>("sum", { input: true })
const CountThere = IPCClient.defineStream<number, number>("count")
const SumThere = IPCClient.defineStream<void, number, number>("sum", { input: true })
const Days = IPCServer.defineStream("days", { payload: Schema.Number, element: Schema.Date, failure: NotFound })
const Digest = IPCServer.defineStream("digest", { element: Schema.String, input: IPCRequest.Bytes })

const collect = async <A>(elements: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const collected: Array<A> = []
  for await (const element of elements) collected.push(element)
  return collected
}

async function* upTo(n: number) {
  for (let i = 1; i <= n; i++) yield i
}

async function* sumsOf(numbers: AsyncIterable<number>) {
  let sum = 0
  for await (const n of numbers) {
    sum += n
    yield sum
  }
}

const pair = async () => {
  const server = await serve()
  return { server, client: await connect(server, "client") }
}

/** A generator that never ends by itself, and what became of it. */
const endless = () => {
  const finished = event<string>()
  async function* elements(signal?: AbortSignal) {
    try {
      for (let n = 1; ; n++) yield n
    } finally {
      finished.fire(`finished, ${signal?.aborted}`)
    }
  }
  return { elements, finished: finished.fired }
}

describe("a stream", () => {
  it("crosses whole and in order, both ways, with and without input", async () => {
    const { client, server } = await pair()
    server.onStream(Count, upTo)
    server.onStream(Sum, async function* (label, input, { runtimeId }) {
      for await (const sum of sumsOf(input)) yield `${label} ${sum} of ${runtimeId}`
    })
    client.onStream(CountThere, upTo)
    client.onStream(SumThere, (_, input) => sumsOf(input))
    const numbers = Array.from({ length: 5000 }, (_, i) => i + 1)
    assert.deepStrictEqual(await collect(client.openStream(Count, 5000)), numbers)
    assert.deepStrictEqual(await collect(server.openStream("client", CountThere, 5000)), numbers)
    assert.deepStrictEqual(await collect(client.openStream(Sum, "sum", upTo(3))), [
      "sum 1 of client",
      "sum 3 of client",
      "sum 6 of client"
    ])
    assert.deepStrictEqual(await collect(server.openStream("client", SumThere, undefined, [1, 2, 6])), [1, 3, 9])
  })

  it("may be any iterable, or a promise of one", async () => {
    const { client, server } = await pair()
    const answers: ReadonlyArray<() => Iterable<number> | AsyncIterable<number> | Promise<Iterable<number>>> = [
      () => [1, 2, 3],
      () => new Set([1, 2, 3]),
      async () => [1, 2, 3],
      () => upTo(3),
      () => Readable.from([1, 2, 3])
    ]
    for (const answer of answers) {
      server.onStream(Count, answer)
      assert.deepStrictEqual(await collect(client.openStream(Count, 0)), [1, 2, 3])
    }
    server.onStream(Count, () => "123" as never)
    assert.strictEqual(
      (await rejection(collect(client.openStream(Count, 0)))).message,
      `Request "count" failed at ${server.getUrl()}: The elements of a stream are an iterable, such as a generator or an array.`
    )
  })

  it("carries bytes, a file's for example", async () => {
    const { client, server } = await pair()
    server.onStream(Digest, async function* (_, input) {
      const hash = createHash("sha256")
      for await (const bytes of input) hash.update(bytes)
      yield hash.digest("hex")
    })
    const file = fileURLToPath(import.meta.url)
    const expected = createHash("sha256")
    for await (const bytes of createReadStream(file)) expected.update(bytes)
    assert.deepStrictEqual(await collect(client.openStream(Digest, undefined, createReadStream(file))), [
      expected.digest("hex")
    ])
  })

  it("rejects with the handler's failure after the elements before it, typed where a Schema has it", async () => {
    const { client, server } = await pair()
    server.onStream(Days, async function* (id) {
      yield new Date(1)
      throw id === 0 ? new NotFound({ id }) : new Error("boom")
    })
    for (const [id, expected] of [
      [0, { _tag: "NotFound", message: "there is no 0" }],
      [1, { _tag: "RequestFailed", message: `Request "days" failed at ${server.getUrl()}: boom` }]
    ] as const) {
      const elements = client.openStream(Days, id)
      assert.deepStrictEqual(await elements.next(), { done: false, value: new Date(1) })
      const { _tag, message } = await rejection(elements.next())
      assert.deepStrictEqual({ _tag, message }, expected)
      assert.deepStrictEqual(await elements.next(), { done: true, value: undefined })
    }
  })

  it("rejects with the facade's own errors where it can't be opened, or its connection ends", async () => {
    const idle = clientOf(1)
    assert.strictEqual((await rejection(idle.openStream(Count, 1).next()))._tag, "ConnectionClosed")
    const stopped = new IPCServer()
    assert.strictEqual((await rejection(stopped.openStream("x", CountThere, 1).next()))._tag, "ClientNotConnected")
    const { client, server } = await pair()
    assert.strictEqual((await rejection(client.openStream(Count, 1).next()))._tag, "NoHandler")
    assert.strictEqual((await rejection(server.openStream("x", CountThere, 1).next()))._tag, "ClientNotConnected")

    const relay = await relayTo(server.getPort())
    const cut = clientOf(relay.port)
    await cut.connect()
    const { elements, finished } = endless()
    server.onStream(Count, (_, { signal }) => elements(signal))
    const opened = cut.openStream(Count, 1)
    await opened.next()
    relay.cut()
    assert.strictEqual((await rejection(collect(opened)))._tag, "ConnectionClosed")
    assert.strictEqual(await finished, "finished, true")
  })

  it("takes a new handler in place of the one before, also while it runs and when it is started again", async () => {
    const server = await serve()
    server.onStream(Count, () => [1])
    const client = await connect(server)
    assert.deepStrictEqual(await collect(client.openStream(Count, 0)), [1])
    server.onStream(Count, () => [2])
    assert.deepStrictEqual(await collect(client.openStream(Count, 0)), [2])
    await client.disconnect()
    await server.teardown()
    await server.start()
    const again = await connect(server)
    assert.deepStrictEqual(await collect(again.openStream(Count, 0)), [2])
  })
})

describe("a stream that is left early", () => {
  const leaving: Record<string, (elements: ElementStream<number>) => Promise<unknown>> = {
    "by leaving the loop": async (elements) => {
      for await (const n of elements) if (n === 3) break
    },
    "by an error in the loop": async (elements) => {
      const failing = async () => {
        for await (const n of elements) if (n === 3) throw new Error("enough")
      }
      assert.strictEqual(await failing().catch((error) => error.message), "enough")
    },
    "by await using": async (elements) => {
      await using opened = elements
      await opened.next()
    },
    "by return": async (elements) => {
      await elements.next()
      assert.deepStrictEqual(await elements.return(), { done: true, value: undefined })
    }
  }
  for (const [how, leave] of Object.entries(leaving)) {
    it(`${how}, finishes the handler's generator and tells it by its signal`, async () => {
      const { client, server } = await pair()
      const { elements, finished } = endless()
      server.onStream(Count, (_, { signal }) => elements(signal))
      const opened = client.openStream(Count, 0)
      await leave(opened)
      assert.strictEqual(await finished, "finished, true")
      assert.deepStrictEqual(await opened.next(), { done: true, value: undefined })
    })
  }

  it("by a signal rejects with its reason: before it is opened, while it waits, and with elements ready", async () => {
    const { client, server } = await pair()
    const started = new Map([0, 5].map((n) => [n, event<AbortSignal>()]))
    const aborted = (signal: AbortSignal) => new Promise((resolve) => signal.addEventListener("abort", resolve))
    server.onStream(Count, async function* (n, { signal }) {
      yield* upTo(n)
      started.get(n)?.fire(signal)
      await aborted(signal)
    })
    const reason = new Error("enough")
    const before = client.openStream(Count, 1, { signal: AbortSignal.abort(reason) })
    assert.strictEqual(await before.next().catch((error) => error), reason)
    assert.deepStrictEqual(await before.next(), { done: true, value: undefined })

    for (const [ready, { fired }] of started) {
      const controller = new AbortController()
      const opened = client.openStream(Count, ready, { signal: controller.signal })
      if (ready > 0) await opened.next()
      const waiting = ready > 0 ? undefined : opened.next().catch((error) => error)
      const there = await fired
      controller.abort(reason)
      assert.strictEqual(await (waiting ?? opened.next().catch((error) => error)), reason)
      assert.deepStrictEqual(await opened.next(), { done: true, value: undefined })
      if (!there.aborted) await aborted(there)
    }
  })

  it("while next waits, resolves that as done", async () => {
    const { client, server } = await pair()
    server.onStream(Count, async function* (_, { signal }) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve))
    })
    const opened = client.openStream(Count, 0)
    const waiting = [opened.next(), opened.next()]
    await opened.return()
    assert.deepStrictEqual(await Promise.all(waiting), [
      { done: true, value: undefined },
      { done: true, value: undefined }
    ])
  })

  it("leaves its input, whose iterator returns; and an input that is cut rejects at the handler", async () => {
    const { client, server } = await pair()
    const told = event<string>()
    server.onStream(Sum, async function* (_, input) {
      try {
        for await (const sum of sumsOf(input)) yield String(sum)
        told.fire("the input ended")
      } catch (error) {
        told.fire((error as Error).name)
        throw error
      }
    })
    const { elements, finished } = endless()
    for await (const sum of client.openStream(Sum, "", elements())) if (sum === "3") break
    assert.strictEqual(await finished, "finished, undefined")
    assert.strictEqual(await told.fired, "AbortError")
  })

  it("by an input that throws rejects with what it threw", async () => {
    const { client, server } = await pair()
    server.onStream(Sum, async function* (_, input) {
      for await (const sum of sumsOf(input)) yield String(sum)
    })
    const thrown = new Error("the caller's own")
    async function* input() {
      yield 1
      throw thrown
    }
    assert.strictEqual(await collect(client.openStream(Sum, "", input())).catch((error) => error), thrown)
  })

  it("by a handler that wants no more input, goes on", async () => {
    const { client, server } = await pair()
    server.onStream(Sum, async function* (_, input) {
      for await (const n of input) if (n === 2) break
      yield "still here"
    })
    const { elements, finished } = endless()
    assert.deepStrictEqual(await collect(client.openStream(Sum, "", elements())), ["still here"])
    assert.strictEqual(await finished, "finished, undefined")
  })
})

describe("flow control", () => {
  it("holds a generator whose consumer takes nothing, within the window", async () => {
    const { client, server } = await pair()
    let produced = 0
    server.onStream(Count, async function* () {
      for (;;) yield ++produced
    })
    const opened = client.openStream(Count, 0, { window: { items: 10 } })
    await opened.next()
    // A second stream's answer comes after all that the first one may send.
    await collect(client.openStream(Days, 0)).catch(() => {})
    assert.isBelow(produced, 200)
    await opened.return()
  })
})
