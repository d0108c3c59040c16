import { Readable } from "node:stream"
import * as Cookies from "@effect/platform/Cookies"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { Budget, MemoryBudget } from "../../../src/MemoryBudget.js"
import { untilSo } from "../../support/turns.js"
import { ask, askJson, connect, converse, serveGateway } from "./support.js"

const text = (chunk: string) => new TextEncoder().encode(chunk)

const silently = Effect.provide(Logger.replace(Logger.defaultLogger, Logger.none))

describe("what a route answers that HTTP doesn't allow", () => {
  it.scopedLive("is cleaned or a 500, and the next request is answered", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const answers = {
        phrase: HttpServerResponse.text("no", { status: 400, statusText: "can’t parse “x”" }),
        lineFeed: HttpServerResponse.text("no", { status: 400, statusText: "a\r\nx-injected: 1" }),
        informational: HttpServerResponse.empty({ status: 101 }),
        low: HttpServerResponse.empty({ status: 7 }),
        high: HttpServerResponse.empty({ status: 1_000 }),
        fraction: HttpServerResponse.empty({ status: Number.NaN }),
        headerName: HttpServerResponse.text("x", { headers: { "content-encoding": "gzip", "a b": "c" } }),
        headerValue: HttpServerResponse.text("x", { headers: { "x-name": "日本" } }),
        streamed: HttpServerResponse.stream(Stream.make(text("x")), { headers: { "x-name": "a\nb" } }),
        readable: HttpServerResponse.raw(Readable.from(["x"]), { headers: { "x-name": "a\nb" } })
      }
      const routes = Object.entries(answers).map(([name, answer]) =>
        gateway.route("GET", `/${name}`, () => Effect.succeed(answer))
      )
      yield* silently(Effect.all(routes))
      const seen: Record<string, unknown> = {}
      for (const name of Object.keys(answers)) {
        const { headers, status, statusMessage } = yield* ask(`${url}/${name}`)
        seen[name] = [status, statusMessage]
        assert.isUndefined(headers["x-injected"])
        assert.isUndefined(headers["content-encoding"])
      }
      const failed = [500, "Internal Server Error"]
      assert.deepStrictEqual(seen, {
        phrase: [400, "cant parse x"],
        lineFeed: [400, "ax-injected: 1"],
        informational: failed,
        low: failed,
        high: failed,
        fraction: failed,
        headerName: failed,
        headerValue: failed,
        streamed: failed,
        readable: failed
      })
    })
  )

  it.scopedLive(
    "a length that isn't the body's, or another framing, neither delays the client nor reaches the next answer",
    () =>
      Effect.gen(function* () {
        const { gateway, port, url } = yield* serveGateway()
        const long = { headers: { "content-length": "999" } }
        const short = { headers: { "content-length": "1" } }
        const chunks = Stream.make(text("ab"), text("cd"))
        const framing = { headers: { "content-length": "x", "transfer-encoding": "gzip, chunked", trailer: "x-y" } }
        yield* silently(
          Effect.all([
            gateway.route("GET", "/bytes/long", () =>
              Effect.succeed(HttpServerResponse.setHeaders(HttpServerResponse.text("abcd"), long.headers))
            ),
            gateway.route("GET", "/bytes/short", () =>
              Effect.succeed(HttpServerResponse.setHeaders(HttpServerResponse.text("abcd"), short.headers))
            ),
            gateway.route("GET", "/none", () => Effect.succeed(HttpServerResponse.empty({ status: 200, ...long }))),
            gateway.route("GET", "/no-content", () =>
              Effect.succeed(HttpServerResponse.empty({ status: 204, ...long }))
            ),
            gateway.route("GET", "/framing", () => Effect.succeed(HttpServerResponse.stream(chunks, framing))),
            gateway.route("GET", "/stream/long", () => Effect.succeed(HttpServerResponse.stream(chunks, long))),
            gateway.route("GET", "/stream/short", () => Effect.succeed(HttpServerResponse.stream(chunks, short))),
            gateway.route("GET", "/readable/long", () =>
              Effect.succeed(HttpServerResponse.raw(Readable.from(["ab"]), long))
            ),
            gateway.route("GET", "/readable/short", () =>
              Effect.succeed(HttpServerResponse.raw(Readable.from(["ab"]), short))
            ),
            gateway.route("GET", "/next", () => Effect.succeed("next"))
          ])
        )
        const client = yield* connect(port)
        const next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
        for (const path of ["/bytes/long", "/bytes/short", "/none", "/no-content", "/framing"]) {
          client.received = ""
          client.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n${next}`)
          yield* client.until('\r\n\r\n"next"')
          assert.notInclude(client.received, "999")
          assert.notInclude(client.received, "gzip")
        }
        for (const path of ["/stream/long", "/stream/short", "/readable/long", "/readable/short"]) {
          assert.isTrue(Either.isLeft(yield* Effect.either(ask(`${url}${path}`))), path)
        }
      })
  )
})

describe("a response without content", () => {
  it.scopedLive("sends none, by whatever status or method, and the next response is read", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      const bodies: Record<string, (status: number) => unknown> = {
        text: (status) => HttpServerResponse.text("content", { status }),
        stream: (status) => HttpServerResponse.stream(Stream.make(text("content")), { status }),
        sized: (status) =>
          HttpServerResponse.stream(Stream.make(text("content")), { status, headers: { "content-length": "7" } }),
        readable: (status) => HttpServerResponse.raw(Readable.from(["content"]), { status }),
        json: (status) => HttpServerResponse.unsafeJson({ content: true }, { status }),
        response: (status) => new Response(null, { status, headers: { "content-length": "7" } })
      }
      for (const [name, body] of Object.entries(bodies)) {
        yield* gateway.route("GET", `/${name}/:status`, ({ params }) => Effect.succeed(body(Number(params.status))))
        yield* gateway.route("HEAD", `/${name}/:status`, ({ params }) => Effect.succeed(body(Number(params.status))))
      }
      yield* gateway.route("GET", "/next", () => Effect.succeed("next"))
      const client = yield* connect(port)
      const lengths: Record<string, Array<string | undefined>> = {}
      for (const target of ["GET 204", "GET 205", "GET 304", "HEAD 200"]) {
        const [method, status] = target.split(" ")
        lengths[target] = []
        for (const name of Object.keys(bodies)) {
          client.received = ""
          client.socket.write(
            `${method} /${name}/${status} HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n`
          )
          yield* client.until('\r\n\r\n"next"')
          const head = client.received.split("\r\n\r\n")[0] as string
          assert.match(client.received.slice(head.length + 4), /^HTTP\/1\.1 200 OK\r\n/, `${target} ${name}`)
          assert.notMatch(head, /transfer-encoding/i)
          lengths[target]?.push(/content-length: (\d+)/i.exec(head)?.[1])
        }
      }
      assert.deepStrictEqual(lengths["GET 204"], Array(6).fill(undefined))
      assert.deepStrictEqual(lengths["GET 205"], Array(6).fill("0"))
    })
  )
})

describe("headers of a response that concern its connection", () => {
  const headersOf = (received: string) => {
    const [, ...lines] = (received.split("\r\n\r\n")[0] as string).split("\r\n")
    return lines.filter((line) => !/^(date|content-type):/i.test(line)).sort()
  }

  it.scopedLive("are the server's own, but for a close, and for the protocols that it would switch to", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      const given: Record<string, Readonly<Record<string, string>>> = {
        "/upgrade": { connection: "upgrade", upgrade: "websocket" },
        "/required": { upgrade: "foo/2" },
        "/named": { connection: "x-a, upgrade", "x-a": "1" },
        "/kept": { connection: "keep-alive", "keep-alive": "timeout=1000, max=1", "proxy-connection": "keep-alive" },
        "/framed": { "transfer-encoding": "chunked", "content-length": "100", te: "trailers", trailer: "x-a" },
        "/closed": { connection: "Close" }
      }
      for (const [path, headers] of Object.entries(given)) {
        const status = path === "/required" ? 426 : 200
        yield* gateway.route("GET", path, () => Effect.succeed(HttpServerResponse.text("body", { status, headers })))
      }
      const seen: Record<string, unknown> = {}
      for (const path of Object.keys(given)) {
        const asked = (connection: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`
        const client = yield* connect(port)
        client.socket.write(asked("keep-alive"))
        yield* client.until("\r\n\r\nbody")
        // The connection ends where the client says so.
        seen[path] = [headersOf(client.received), headersOf(yield* converse(port, asked("close")))]
      }
      const kept = ["Connection: keep-alive", "Keep-Alive: timeout=5", "content-length: 4"]
      const closed = ["Connection: close", "content-length: 4"]
      assert.deepStrictEqual(seen, {
        "/upgrade": [
          ["connection: upgrade", "content-length: 4", "upgrade: websocket"],
          ["connection: upgrade, close", "content-length: 4", "upgrade: websocket"]
        ],
        "/required": [
          ["connection: upgrade", "content-length: 4", "upgrade: foo/2"],
          ["connection: upgrade, close", "content-length: 4", "upgrade: foo/2"]
        ],
        "/named": [
          [...kept, "x-a: 1"],
          ["connection: close", "content-length: 4", "x-a: 1"]
        ],
        "/kept": [kept, ["connection: close", "content-length: 4"]],
        "/framed": [kept, closed],
        "/closed": [
          ["connection: close", "content-length: 4"],
          ["connection: close", "content-length: 4"]
        ]
      })
    })
  )
})

/** Throws whenever it is looked at, with `in` and `instanceof`, too. */
const opaque = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe("a body that gives or throws what can't be looked at", () => {
  it.scopedLive("is cut off, and the next request is answered", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const giving = () => new ReadableStream({ start: (controller) => controller.enqueue(opaque()) })
      const failing = () => new ReadableStream({ start: (controller) => controller.error(opaque()) })
      const bodies: Record<string, () => unknown> = {
        generator: async function* () {
          yield "first"
          throw opaque()
        },
        iterable: () => ({
          [Symbol.asyncIterator]: () => {
            throw opaque()
          }
        }),
        iterator: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => opaque() }) }),
        giving,
        failing,
        givingResponse: () => new Response(giving()),
        failingResponse: () => new Response(failing()),
        stream: () => Stream.concat(Stream.make(text("first")), Stream.dieSync(opaque))
      }
      yield* silently(
        Effect.all(
          Object.entries(bodies).map(([name, body]) =>
            gateway.route("GET", `/${name}`, () => Effect.sync(() => body() as never))
          )
        )
      )
      yield* gateway.route("GET", "/good", () => Effect.succeed("good"))
      for (const name of Object.keys(bodies)) {
        assert.isTrue(Either.isLeft(yield* Effect.either(ask(`${url}/${name}`))), name)
        assert.strictEqual((yield* ask(`${url}/good`)).text, '"good"')
      }
    })
  )
})

describe("a handler's failure", () => {
  it.scopedLive("is a 500, whatever happens when it is looked at", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const circular: { self?: unknown } = Object.create(null)
      circular.self = circular
      const failures: Record<string, unknown> = {
        circular,
        getter: {
          get message() {
            throw new Error("not for you")
          }
        },
        proxy: new Proxy(
          {},
          {
            get() {
              throw new Error("not for you")
            },
            has() {
              throw new Error("not for you")
            }
          }
        ),
        text: {
          toString() {
            throw new Error("not for you")
          }
        },
        symbol: Symbol("odd"),
        nothing: undefined
      }
      const effects = Object.entries(failures).flatMap(([name, failure]) => [
        gateway.route("GET", `/fail/${name}`, () => Effect.zipRight(Effect.yieldNow(), Effect.fail(failure))),
        gateway.route("GET", `/die/${name}`, () => Effect.zipRight(Effect.yieldNow(), Effect.die(failure))),
        gateway.route("GET", `/throw/${name}`, () => {
          throw failure
        }),
        gateway.route("GET", `/value/${name}`, () => Effect.succeed(failure))
      ])
      yield* silently(Effect.all(effects))
      for (const name of Object.keys(failures)) {
        for (const way of ["fail", "die", "throw"]) {
          const { status } = yield* ask(`${url}/${way}/${name}`)
          assert.strictEqual(status, 500, `${way} ${name}`)
        }
        yield* ask(`${url}/value/${name}`)
      }
    })
  )
})

describe("what a route gives beside plain values", () => {
  it.scopedLive("bytes, streams, forms and web Responses go as what they are", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const form = new FormData()
      form.set("a", "1")
      const cookies = new Headers([
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["content-type", "text/plain"]
      ])
      const answers: Record<string, () => unknown> = {
        uint8array: () => new Uint8Array([104, 105]),
        buffer: () => Buffer.from("hi"),
        dataView: () => new DataView(Uint8Array.of(0, 104, 105).buffer, 1),
        arrayBuffer: () => Uint8Array.of(104, 105).buffer,
        blob: () => new Blob(["hi"], { type: "text/x-hi" }),
        form: () => form,
        parameters: () => new URLSearchParams({ a: "1" }),
        webStream: () => new Blob(["hi"]).stream(),
        readable: () => Readable.from(["h", Buffer.from("i")]),
        stream: () => Stream.make(text("h"), text("i")),
        generator: async function* () {
          yield "h"
          yield "i"
        },
        response: () => new Response("hi", { status: 201, statusText: "Made", headers: cookies }),
        json: () => Response.json({ a: 1 }, { status: 202 }),
        empty: () => new Response(null, { status: 204 })
      }
      for (const [name, make] of Object.entries(answers)) {
        yield* gateway.route("GET", `/${name}`, () => Effect.sync(make))
      }
      const seen: Record<string, unknown> = {}
      for (const name of Object.keys(answers)) {
        const { headers, status, text } = yield* ask(`${url}/${name}`)
        const type = headers["content-type"]?.replace(/boundary=.*/, "boundary=…")
        seen[name] = [status, type, name === "form" ? text.includes('name="a"\r\n\r\n1') : text]
      }
      const bytes = [200, "application/octet-stream", "hi"]
      assert.deepStrictEqual(seen, {
        uint8array: bytes,
        buffer: bytes,
        dataView: bytes,
        arrayBuffer: bytes,
        blob: [200, "text/x-hi", "hi"],
        form: [200, "multipart/form-data; boundary=…", true],
        parameters: [200, "application/x-www-form-urlencoded", "a=1"],
        webStream: bytes,
        readable: bytes,
        stream: bytes,
        generator: bytes,
        response: [201, "text/plain", "hi"],
        json: [202, "application/json", '{"a":1}'],
        empty: [204, undefined, ""]
      })
      const { headers, statusMessage } = yield* ask(`${url}/response`)
      assert.deepStrictEqual([headers["set-cookie"], statusMessage], [["a=1", "b=2"], "Made"])
      assert.strictEqual((yield* ask(`${url}/blob`, { method: "HEAD" })).text, "")
    })
  )

  it.scopedLive("a fetched Response, compressed on its way, is passed on as what it was decoded to", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      yield* gateway.route("GET", "/compressed", () =>
        Effect.succeed(
          HttpServerResponse.uint8Array(Buffer.from("H4sIAAAAAAAAA8vIBACsKpPYAgAAAA==", "base64"), {
            headers: { "content-encoding": "gzip" }
          })
        )
      )
      yield* gateway.route("GET", "/relayed", () => Effect.promise(() => fetch(`${url}/compressed`)))
      assert.strictEqual((yield* ask(`${url}/relayed`)).text, "hi")
    })
  )

  it.scopedLive("what has no JSON is refused, and the refusal says what to give", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const values: Record<string, unknown> = {
        "a Map": new Map([[1, 2]]),
        "a Set": new Set([1]),
        "a Promise": Promise.resolve(1),
        "an Error": new Error("x"),
        "a RegExp": /x/,
        "a Headers": new Headers({ a: "1" })
      }
      const give = "has no JSON; a handler gives a plain value, bytes, a stream, a Response or an HttpServerResponse"
      yield* silently(
        Effect.forEach(Object.entries(values), ([name, value]) =>
          gateway.route("GET", `/${encodeURIComponent(name)}`, () => Effect.succeed(value))
        )
      )
      for (const name of Object.keys(values)) {
        assert.deepStrictEqual(yield* askJson(`${url}/${encodeURIComponent(encodeURIComponent(name))}`), {
          status: 500,
          json: { error: `The handler's result can't be sent as JSON: ${name} ${give}` }
        })
      }
      yield* gateway.route("GET", "/plain", () => Effect.succeed({}))
      yield* gateway.route("GET", "/date", () => Effect.succeed({ at: new Date(0) }))
      assert.strictEqual((yield* ask(`${url}/plain`)).text, "{}")
      assert.strictEqual((yield* ask(`${url}/date`)).text, '{"at":"1970-01-01T00:00:00.000Z"}')
    })
  )

  it.scopedLive("cookies of a platform response are sent", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const cookies = Cookies.fromIterable([Cookies.unsafeMakeCookie("a", "1"), Cookies.unsafeMakeCookie("b", "2")])
      yield* gateway.route("GET", "/", () => Effect.succeed(HttpServerResponse.text("x", { cookies })))
      assert.deepStrictEqual((yield* ask(url)).headers["set-cookie"], ["a=1", "b=2"])
    })
  )
})

describe("what a route answers that nobody reads", () => {
  it.scopedLive("counts until its client has gone; well past the bound of the process large answers are a 503", () =>
    Effect.gen(function* () {
      const budget = new Budget(1024 * 1024)
      const { gateway, port, url } = yield* Effect.provideService(serveGateway(), MemoryBudget, budget)
      yield* gateway.route("GET", "/json/:length", ({ params }) => Effect.succeed("j".repeat(Number(params.length))))
      yield* gateway.route("GET", "/bytes/:length", ({ params }) => Effect.succeed(Buffer.alloc(Number(params.length))))
      const { socket } = yield* connect(port)
      socket.pause()
      socket.write("GET /bytes/30000000 HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* untilSo(() => budget.isFull)
      for (const path of ["/json/2000000", "/bytes/2000000"]) {
        const { json, status } = yield* askJson(`${url}${path}`)
        assert.strictEqual(status, 503)
        assert.match(JSON.stringify(json), /The server holds 30000000 bytes for its clients, well over its limit/)
      }
      assert.strictEqual((yield* ask(`${url}/json/1000`)).status, 200)
      socket.destroy()
      yield* untilSo(() => budget.heldBytes === 0)
      assert.deepStrictEqual((yield* ask(`${url}/bytes/2000000`)).body.length, 2_000_000)
    })
  )
})
