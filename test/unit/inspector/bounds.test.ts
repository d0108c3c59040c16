/**
 * What the inspector keeps is bounded, and what it is told is checked.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Stream, TestClock } from "effect"
import type { Exchange } from "../../../layers/http/Exchange.js"
import { callersOf } from "../../../layers/inspector/CallGraph.js"
import { EventLog } from "../../../layers/inspector/EventLog.js"
import { ExchangeStore } from "../../../layers/inspector/ExchangeStore.js"
import { pageOf } from "../../../layers/inspector/FeedDecoder.js"
import { FeedLog } from "../../../layers/inspector/FeedLog.js"
import { Health } from "../../../layers/inspector/Health.js"
import type { ExchangeRecord } from "../../../layers/inspector/InspectorProtocol.js"
import { InspectorState } from "../../../layers/inspector/InspectorState.js"
import * as InspectorViews from "../../../layers/inspector/InspectorViews.js"
import * as Recording from "../../../layers/inspector/Recording.js"

const record = (overrides: Partial<ExchangeRecord> = {}): ExchangeRecord => ({
  _tag: "Exchange",
  number: 1,
  startedAt: 1000,
  durationMillis: 5,
  waitMillis: 4,
  method: "GET",
  target: "/",
  httpVersion: "1.1",
  client: "127.0.0.1:1",
  requestHeaders: [],
  requestBody: { size: 0 },
  status: 200,
  responseHeaders: [],
  responseBody: { size: 0 },
  answerers: [],
  ...overrides
})

describe("a log of events", () => {
  it("keeps the latest within its bounds, and tells each reader what it has missed", () => {
    const pushes = fc.array(fc.nat(50), { maxLength: 300 })
    fc.assert(
      fc.property(
        pushes,
        fc.integer({ min: 1, max: 40 }),
        fc.nat(200),
        fc.nat(400),
        (sizes, maxItems, maxBytes, from) => {
          const log = new EventLog<number>(maxItems, maxBytes)
          for (const [item, size] of sizes.entries()) log.push(item, size)
          assert.isAtMost(log.end - log.start, maxItems)
          assert.isAtMost(log.heldBytes, maxBytes)
          const { items, missed, next } = log.read(Math.min(from, sizes.length), Number.POSITIVE_INFINITY)
          const begin = Math.max(Math.min(from, sizes.length), log.start)
          assert.deepStrictEqual(
            items,
            Array.from({ length: sizes.length - begin }, (_, at) => begin + at)
          )
          assert.deepStrictEqual([missed, next], [begin - Math.min(from, sizes.length), sizes.length])
        }
      )
    )
  })

  it("is read by pages of about as many bytes, of which none is empty", () => {
    const log = new EventLog<number>(100, 1000)
    for (let item = 0; item < 5; item++) log.push(item, 10)
    assert.deepStrictEqual(log.read(0, 25), { items: [0, 1], next: 2, missed: 0 })
    assert.deepStrictEqual(log.read(2, 5), { items: [2], next: 3, missed: 0 })
    assert.deepStrictEqual(log.read(5, 25), { items: [], next: 5, missed: 0 })
  })
})

describe("a log of events that are sent", () => {
  it("gives them all in order, or tells how many of the first are gone", () => {
    const sizes = fc.array(fc.nat(20_000), { maxLength: 100 })
    fc.assert(
      fc.property(
        sizes,
        fc.array(fc.nat(100)),
        fc.integer({ min: 200_000, max: 400_000 }),
        (pushed, reads, maxBytes) => {
          const log = new FeedLog(maxBytes)
          const seen: Array<number> = []
          let next = 0
          const read = () => {
            const page = log.read(next, 10_000)
            next = page.next
            for (const { count, first, json } of page.items) {
              const events = JSON.parse(`[${json}]`) as ReadonlyArray<ExchangeRecord>
              assert.strictEqual(events.length, count)
              assert.isAtLeast(first, seen.length === 0 ? 0 : (seen.at(-1) as number) + 1)
              assert.deepStrictEqual(
                events.map(({ number }) => number),
                Array.from(events, (_, at) => first + at)
              )
              for (const { number } of events) seen.push(number)
            }
          }
          for (const [number, size] of pushed.entries()) {
            log.push({ ...record({ target: "é".repeat(size) }), number, requestHeaders: [], responseHeaders: [] })
            assert.isAtMost(log.heldBytes, maxBytes + 70_000)
            if (reads.includes(number)) read()
          }
          while (next < log.end) read()
          assert.strictEqual(log.count, pushed.length)
          if (pushed.length > 0) assert.strictEqual(seen.at(-1), pushed.length - 1)
        }
      ),
      { numRuns: 20 }
    )
  })
})

describe("a recording", () => {
  it.scoped("takes 600 exchanges each fifth of a second, and 300 once 12,000 were taken beyond those", () =>
    Effect.gen(function* () {
      let arrive: ((exchange: Exchange) => Exchange) | undefined
      const gateway = {
        watch: (watcher: typeof arrive) =>
          Effect.sync(() => {
            arrive = watcher
          }),
        intercept: () => Effect.void,
        interceptors: () => []
      }
      const peer = { clients: Effect.succeed([]), connections: Stream.never }
      const { log } = yield* Recording.make(peer as never, gateway as never)
      let taken = 0
      const request = { method: "GET", url: "/", httpVersion: "1.1", rawHeaders: [], headers: {}, socket: {} }
      const exchange = { request, response: { tap: () => taken++ } } as never
      const takenOf = (count: number) => {
        taken = 0
        for (let i = 0; i < count; i++) arrive?.(exchange)
        return taken
      }
      const rates: Array<number> = []
      for (let tick = 0; tick < 50; tick++) {
        rates.push(takenOf(1000))
        yield* TestClock.adjust("200 millis")
      }
      assert.deepStrictEqual([rates[0], rates[1], rates[37], rates.at(-1)], [600, 600, 600, 300])
      assert.strictEqual(
        rates.reduce((sum, rate) => sum + rate),
        12_000 + 49 * 300
      )
      const events = log.read(0, Number.POSITIVE_INFINITY).items.flatMap(({ json }) => JSON.parse(`[${json}]`))
      assert.deepStrictEqual(
        events.filter(({ _tag }) => _tag === "Skipped").map(({ count }) => count),
        rates.map((rate) => 1000 - rate)
      )
    })
  )
})

describe("the exchanges that are kept", () => {
  it("are the latest within their bounds; a record of the end isn't replaced by one of the beginning", () => {
    const dropped: Array<number> = []
    const store = new ExchangeStore(3, 1_000_000, ({ id }) => dropped.push(id))
    store.put("a", record({ durationMillis: undefined }))
    store.put("a", record())
    store.put("a", record({ durationMillis: undefined }))
    assert.strictEqual(store.get(1)?.record.durationMillis, 5)
    for (const key of ["b", "c", "d"]) store.put(key, record())
    assert.deepStrictEqual([store.size, dropped], [3, [1]])
    const large = new ExchangeStore(1000, 100_000, () => {})
    for (let key = 0; key < 50; key++) {
      large.put(String(key), record({ responseBody: { text: "x".repeat(10_000), size: 10_000 } }))
      assert.isAtMost(large.heldBytes, 100_000)
    }
    assert.isAbove(large.size, 2)
  })
})

describe("an instance's health", () => {
  it("is what its answers were, lately", () => {
    const health = new Health()
    health.begin(1)
    assert.strictEqual(health.view(0).inFlight, 1)
    for (let at = 0; at < 100; at++)
      health.end(at, { at: 1000 + at, durationMillis: at, status: at % 10 === 0 ? 500 : 200 })
    const { answers, failures, inFlight, last, p50, p99, ratePerSecond } = health.view(1100)
    assert.deepStrictEqual([answers, failures, inFlight, p50, p99, ratePerSecond], [100, 10, 0, 50, 99, 10])
    assert.deepStrictEqual(
      last,
      Array.from({ length: 20 }, (_, at) => (at % 10 === 0 ? 500 : 200))
    )
    assert.deepStrictEqual([health.view(100_000).ratePerSecond, health.view(100_000).p50], [0, undefined])
  })
})

describe("who calls whom", () => {
  it("is the api that was answering a request of the same trace, and of several the one asked last", () => {
    const traced = (trace: string, startedAt: number, durationMillis: number) =>
      record({
        startedAt,
        durationMillis,
        requestHeaders: [["Traceparent", `00-${trace.repeat(32)}-${"b".repeat(16)}-01`]]
      })
    const front = traced("a", 0, 100)
    const orders = traced("a", 10, 50)
    const users = traced("a", 20, 10)
    const later = traced("a", 80, 5)
    const other = traced("c", 20, 10)
    const steps = Object.entries({ front, orders, users, later, other }).map(([to, record]) => ({ to, record }))
    const callers = callersOf(steps)
    assert.deepStrictEqual(
      [front, orders, users, later, other].map((one) => callers.get(one)),
      [undefined, "front", "orders", "front", undefined]
    )
  })
})

describe("what a gateway tells", () => {
  const state = () =>
    new InspectorState({ gateway: "http://127.0.0.1:9000", maxExchanges: 100, maxBytes: 1e6, now: () => 1000 })

  it("may be anything: what isn't an event is left out, and all views can be made of the rest", () => {
    const fields = fc.dictionary(
      fc.constantFrom(
        "_tag",
        "startedAt",
        "requestHeaders",
        "responseBody",
        "answerers",
        "at",
        "runtimeId",
        "interceptors"
      ),
      fc.oneof(fc.constantFrom("Exchange", "Call", "Process", "Connected", "Interceptors", "Skipped"), fc.jsonValue())
    )
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.record({ events: fc.array(fields), recording: fc.jsonValue() })),
        (page) => {
          const told = state()
          told.onPage(pageOf(Buffer.from(JSON.stringify(page))))
          InspectorViews.services(told)
          InspectorViews.calls(told)
          InspectorViews.timeline(told)
          InspectorViews.mocks(told)
          InspectorViews.search(told, "x")
          for (const stored of told.exchanges.all()) {
            JSON.stringify(InspectorViews.exchange(told, stored, false))
            JSON.stringify(InspectorViews.harEntry(told, stored, false))
          }
        }
      )
    )
  })

  it("may not be JSON at all", () => {
    for (const text of ["", "[", "null", `${"[".repeat(100_000)}`]) {
      assert.deepStrictEqual(pageOf(Buffer.from(text)), { recording: "", events: [], missed: 0, behind: 0 })
    }
  })

  it("tells in the timeline where a service is: below a prefix, or by its name alone", () => {
    const told = state()
    const route = { kind: "http", api: "users", baseUrl: "http://127.0.0.1:1", owner: "a", registeredAt: 0 } as const
    told.onRouteChange({ _tag: "Registered", route: { ...route, pathPrefix: "/users" } as never })
    told.onRouteChange({ _tag: "Registered", route: { ...route, kind: "ipc", pathPrefix: "" } as never })
    assert.deepStrictEqual(
      InspectorViews.timeline(told).map(({ text }) => text),
      ["users at http://127.0.0.1:1 below /users", "users at http://127.0.0.1:1 by its name"]
    )
  })

  it("has the secrets of no header in a view, a search or a HAR entry", () => {
    const told = state()
    const secrets = ["authorization", "Cookie", "SET-COOKIE", "Proxy-Authorization"].map(
      (name) => [name, "hunter2"] as const
    )
    told.onPage({
      recording: "r",
      events: [record({ requestHeaders: secrets, responseHeaders: secrets })],
      missed: 0,
      behind: 0
    })
    const [stored] = told.exchanges.all()
    assert.isDefined(stored)
    if (stored === undefined) return
    const shown = [InspectorViews.exchange(told, stored, false), InspectorViews.harEntry(told, stored, false)]
    assert.notInclude(JSON.stringify(shown), "hunter2")
    assert.deepStrictEqual(InspectorViews.search(told, "hunter2"), [])
    assert.include(JSON.stringify(InspectorViews.exchange(told, stored, true)), "hunter2")
  })
})
