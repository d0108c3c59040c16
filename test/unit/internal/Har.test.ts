import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import * as Har from "../../../src/internal/Har.js"

const bytes = (text: string) => new TextEncoder().encode(text)

const exchange: Har.HarExchange = {
  startedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  durationMillis: 12.5,
  waitMillis: 10,
  request: {
    method: "POST",
    url: "http://127.0.0.1:9000/orders?item=tea&item=milk%20tea",
    headers: [
      ["Content-Type", "application/json"],
      ["Cookie", "session=abc; theme=dark"],
      ["Authorization", "Bearer secret"]
    ],
    body: { bytes: bytes('{"item":"tea"}') }
  },
  response: {
    status: 201,
    statusText: "Created",
    headers: [
      ["Set-Cookie", "session=def; Path=/"],
      ["Set-Cookie", "seen=1"],
      ["Location", "/orders/7"],
      ["Content-Type", "image/png"]
    ],
    body: { bytes: new Uint8Array([0x89, 0x50, 0xff]), size: 5000 }
  }
}

const logOf = (...entries: ReadonlyArray<Har.HarEntry>) =>
  JSON.stringify({ log: { ...Har.emptyLog("1").log, entries } })

describe("HAR", () => {
  it("has what other tools derive from an exchange", () => {
    const entry = Har.toEntry(exchange)
    assert.strictEqual(entry.startedDateTime, "2026-01-02T03:04:05.006Z")
    assert.deepStrictEqual(entry.timings, { send: 0, wait: 10, receive: 2.5 })
    assert.deepStrictEqual(entry.request.queryString, [
      { name: "item", value: "tea" },
      { name: "item", value: "milk tea" }
    ])
    assert.deepStrictEqual(entry.request.cookies, [
      { name: "session", value: "abc" },
      { name: "theme", value: "dark" }
    ])
    assert.deepStrictEqual(entry.response.cookies, [
      { name: "session", value: "def" },
      { name: "seen", value: "1" }
    ])
    assert.strictEqual(entry.response.redirectURL, "/orders/7")
    assert.deepStrictEqual(entry.response.content, {
      size: 5000,
      mimeType: "image/png",
      text: "iVD/",
      encoding: "base64"
    })
  })

  it("hides what lets others act in somebody's name, cookies included", () => {
    const headers = Har.hideSecrets(exchange.request.headers)
    const entry = Har.toEntry({ ...exchange, request: { ...exchange.request, headers } })
    assert.deepStrictEqual(entry.request.headers, [
      { name: "Content-Type", value: "application/json" },
      { name: "Cookie", value: Har.hidden },
      { name: "Authorization", value: Har.hidden }
    ])
    assert.deepStrictEqual(entry.request.cookies, [])
  })

  it("gives back every exchange as it was", () => {
    const token = fc.stringMatching(/^[a-z][a-z-]{0,8}$/)
    const headers = fc.array(fc.tuple(token, fc.string()))
    const body = fc.oneof(fc.string().map(bytes), fc.uint8Array({ maxLength: 40 })).map((bytes) => ({ bytes }))
    const exchanges = fc.record({
      startedAt: fc.integer({ min: 0, max: 4e12 }),
      durationMillis: fc.nat(),
      request: fc.record({ method: token, url: fc.webUrl({ withQueryParameters: true }), headers, body }),
      response: fc.option(fc.record({ status: fc.integer({ min: 200, max: 599 }), headers, body }), { nil: undefined })
    })
    const parts = ({ durationMillis, request, response, startedAt }: Har.HarExchange) => ({
      startedAt,
      durationMillis,
      request: [request.method, request.url, request.headers, [...request.body.bytes], request.body.size],
      response: response && [response.status, response.headers, [...response.body.bytes], response.body.size]
    })
    fc.assert(
      fc.property(exchanges, (one) => {
        const [read] = Either.getOrThrow(Har.fromJson(logOf(Har.toEntry(one))))
        assert.deepStrictEqual(parts(read as Har.HarExchange), parts(one))
      })
    )
  })

  it("says of a body that wasn't recorded whole how long it was", () => {
    const [read] = Either.getOrThrow(Har.fromJson(logOf(Har.toEntry(exchange))))
    assert.strictEqual(read?.response?.body.size, 5000)
  })

  it("says what is wrong with a file that isn't HAR", () => {
    assert.isTrue(Either.isLeft(Har.fromJson("{")))
    const left = Either.flip(Har.fromJson('{"log":{"entries":[{}]}}'))
    assert.include(Either.getOrThrow(left), "startedDateTime")
  })
})
