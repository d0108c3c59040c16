import { createHash, randomBytes } from "node:crypto"
import * as http from "node:http"
import * as zlib from "node:zlib"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Intercept from "../../../src/Intercept.js"
import { start } from "../http/child.js"
import { type Ask, ask, connect, event, serve } from "../http/support.js"
import { live, service, suite } from "./support.js"

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const random = randomBytes(3_000_000)
const book = JSON.stringify({ title: "book", pages: Array.from({ length: 500 }, (_, page) => page) })

/** What a service answers at each path. */
const kinds: Readonly<Record<string, (response: http.ServerResponse) => void>> = {
  "/binary": (response) => response.end(random),
  "/chunked": (response) => {
    for (let at = 0; at < random.length; at += 100_000) response.write(random.subarray(at, at + 100_000))
    response.end()
  },
  "/gzip": (response) => {
    response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
    response.end(zlib.gzipSync(book))
  },
  "/br": (response) => {
    response.writeHead(200, { "content-type": "application/json", "content-encoding": "br" })
    response.end(zlib.brotliCompressSync(book))
  },
  "/deflate": (response) => {
    response.writeHead(200, { "content-type": "text/plain", "content-encoding": "deflate" })
    response.end(zlib.deflateSync("deflated"))
  },
  "/raw-deflate": (response) => {
    response.writeHead(200, { "content-type": "text/plain", "content-encoding": "deflate" })
    response.end(zlib.deflateRawSync("deflated"))
  },
  "/unknown-encoding": (response) => {
    response.writeHead(200, { "content-type": "text/plain", "content-encoding": "zstd" })
    response.end("not zstd")
  },
  "/trailers": (response) => {
    response.writeHead(200, {
      // Node refuses to announce trailers in the answer to a HEAD.
      ...(response.req.method === "HEAD" ? {} : { trailer: "x-sum" }),
      "set-cookie": ["a=1", "b=2"],
      "X-Case": "Kept"
    })
    response.write("body")
    response.addTrailers({ "x-sum": "42" })
    response.end()
  },
  "/length": (response) => {
    response.writeHead(200, "Fine Thanks", { "content-length": 5 })
    response.end("12345")
  },
  "/204": (response) => {
    response.writeHead(204)
    response.end()
  },
  "/304": (response) => {
    response.writeHead(304, { etag: '"x"', "content-length": 100 })
    response.end()
  },
  "/empty": (response) => response.end(),
  "/error": (response) => {
    response.writeHead(500, { "content-type": "application/json" })
    response.end('{"error":"broken"}')
  },
  "/half-json": (response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.end('{"half":')
  }
}

const onRequest: http.RequestListener = (request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const path = (request.url as string).slice("/data".length)
    const answer = kinds[path]
    if (answer !== undefined) return answer(response)
    const body = Buffer.concat(chunks)
    response.end(`${request.method} ${body.length} ${hash(body)} ${request.headers["content-encoding"] ?? ""}`)
  })
}

describe("a spy", () => {
  live("changes nothing of any kind of answer, nor of a request", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "data", onRequest)
      const asked: ReadonlyArray<readonly [string, Ask]> = [
        ...Object.keys(kinds).flatMap(
          (path): ReadonlyArray<readonly [string, Ask]> => [
            [path, {}],
            [path, { method: "HEAD" }]
          ]
        ),
        ["/", { method: "POST", body: random }],
        ["/", { method: "POST", body: random, headers: { "transfer-encoding": "chunked" } }],
        ["/", { method: "POST", body: zlib.gzipSync(book), headers: { "content-encoding": "gzip" } }],
        ["/", { method: "PUT", body: random, headers: { expect: "100-continue", "content-length": random.length } }],
        ["/", { method: "DELETE" }]
      ]
      const everything = Effect.forEach(asked, ([path, options]) =>
        Effect.map(ask(`${gateway.url}/data${path}`, options), (answer) => ({
          path,
          status: `${answer.status} ${answer.statusMessage}`,
          // The clock's second may change between the two.
          headers: answer.rawHeaders.map((text, at, all) => (all[at - 1] === "Date" ? "" : text)),
          hash: hash(answer.body),
          trailers: answer.trailers
        }))
      )
      const without = yield* everything
      const spy = yield* gateway.http.spy(Intercept.any({ api: "data" }))
      const deeper = yield* gateway.http.spy(Intercept.any({ path: "/data/*", body: () => true }))
      const watched = yield* everything
      assert.deepStrictEqual(watched, without)
      assert.strictEqual((yield* spy.calls).length, asked.length)
      assert.isAbove((yield* deeper.calls).length, 0)
    })
  )

  live("records what passed, decoded for reading, and says where it was cut", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "data", onRequest)
      const spy = yield* gateway.http.spy(Intercept.any({ path: "/data/:kind" }))
      const recorded = Effect.fnUntraced(function* (path: string, options: Ask = {}) {
        yield* spy.reset
        yield* ask(`${gateway.url}/data${path}`, options)
        return yield* spy.awaitCall(1)
      })
      const response = (path: string, options?: Ask) => Effect.map(recorded(path, options), (call) => call.response)
      assert.deepStrictEqual((yield* response("/gzip"))?.body, JSON.parse(book))
      assert.deepStrictEqual((yield* response("/br"))?.body, JSON.parse(book))
      assert.strictEqual((yield* response("/deflate"))?.body, "deflated")
      assert.strictEqual((yield* response("/raw-deflate"))?.body, "deflated")
      assert.deepStrictEqual((yield* response("/unknown-encoding"))?.body, Buffer.from("not zstd"))
      assert.strictEqual((yield* response("/half-json"))?.body, '{"half":')
      assert.strictEqual((yield* response("/empty"))?.body, undefined)
      assert.strictEqual((yield* response("/length", { method: "HEAD" }))?.body, undefined)
      assert.strictEqual((yield* response("/304"))?.status, 304)
      const trailers = yield* response("/trailers")
      assert.deepStrictEqual(
        [trailers?.trailers, trailers?.headers["set-cookie"], trailers?.headers["x-case"]],
        [{ "x-sum": "42" }, "a=1, b=2", "Kept"]
      )
      const cut = yield* response("/chunked")
      assert.deepStrictEqual([cut?.bytes.length, cut?.truncated], [1024 * 1024, true])
      assert.strictEqual(hash(cut?.bytes ?? new Uint8Array()), hash(random.subarray(0, 1024 * 1024)))

      const { request } = yield* recorded("/x%20y?a=1&a=2&b=", {
        method: "POST",
        body: zlib.gzipSync('{"a":1}'),
        headers: { "Content-Type": "application/json", "Content-Encoding": "gzip", "X-A": "1" }
      })
      assert.deepStrictEqual(
        {
          method: request.method,
          path: request.path,
          params: { ...request.params },
          query: { ...request.query },
          header: request.headers["x-a"],
          body: request.body,
          truncated: request.truncated
        },
        {
          method: "POST",
          path: "/data/x%20y",
          params: { kind: "x y" },
          query: { a: ["1", "2"], b: "" },
          header: "1",
          body: { a: 1 },
          truncated: false
        }
      )
    })
  )

  live("passes server-sent events one by one", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const begun = event<http.ServerResponse>()
      yield* service(gateway, "events", (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.flushHeaders()
        begun.fire(response)
      })
      const spy = yield* gateway.http.spy(Intercept.get("/events"))
      const client = yield* connect(gateway.port)
      client.socket.write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* client.until("text/event-stream")
      const response = yield* begun.wait
      for (const word of ["one", "two", "three"]) {
        response.write(`data: ${word}\n\n`)
        yield* client.until(`data: ${word}`)
      }
      assert.deepStrictEqual(yield* spy.calls, [])
      response.end()
      assert.strictEqual((yield* spy.awaitCall(1)).response?.body, "data: one\n\ndata: two\n\ndata: three\n\n")
    })
  )

  live("records an answer that breaks off as far as it came, and a service that can't be reached", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "breaks", (_, response) => {
        response.writeHead(200, { "content-length": 100 })
        response.write("half", () => response.destroy())
      })
      const spy = yield* gateway.http.spy(Intercept.any())
      yield* Effect.flip(ask(`${gateway.url}/breaks`))
      const broken = yield* spy.awaitCall(1)
      assert.deepStrictEqual(
        [broken.response?.status, Buffer.from(broken.response?.bytes ?? []).toString(), broken.response?.truncated],
        [200, "half", true]
      )
      assert.strictEqual(broken.failure, "the connection closed before the answer was complete")
      yield* gateway.discovery.register([{ api: "gone", baseUrl: "http://127.0.0.1:1", pathPrefix: "/gone" }])
      yield* ask(`${gateway.url}/gone`)
      assert.strictEqual((yield* spy.awaitCall(2)).response?.status, 502)
    })
  )

  live(
    "lets 100 MiB up and down with the gateway's memory flat",
    () =>
      Effect.gen(function* () {
        const MiB = 1024 * 1024
        const chunk = Buffer.alloc(MiB, "effect")
        const pour = (into: NodeJS.WritableStream, left: number): void => {
          if (left === 0) into.end()
          else if (into.write(chunk)) pour(into, left - 1)
          else into.once("drain", () => pour(into, left - 1))
        }
        const swallow = (from: NodeJS.ReadableStream, done: (hashed: string) => void) => {
          const hashing = createHash("sha256")
          from.on("data", (data: Buffer) => hashing.update(data))
          from.on("end", () => done(hashing.digest("hex")))
        }
        const { url: upstream } = yield* serve({
          onRequest: (request, response) => {
            if (request.method === "GET") pour(response, Number(request.url?.slice(1)))
            else swallow(request, (hashed) => response.end(hashed))
          }
        })
        const child = yield* start("interception-host.ts", upstream)
        const url = `http://127.0.0.1:${child.port}`
        const whole = createHash("sha256")
        for (let at = 0; at < 100; at++) whole.update(chunk)
        const expected = whole.digest("hex")
        const download = (chunks: number) =>
          Effect.async<string>((resume) => {
            http.get(`${url}/${chunks}`, { agent: false }, (response) =>
              swallow(response, (hashed) => resume(Effect.succeed(hashed)))
            )
          })
        const upload = (chunks: number) =>
          Effect.async<string>((resume) => {
            const request = http.request(url, { agent: false, method: "POST" }, (response) => {
              response.on("data", (data: Buffer) => resume(Effect.succeed(data.toString())))
            })
            pour(request, chunks)
          })
        // In smaller ones: a gateway that held each whole would have its peak here already.
        yield* Effect.repeatN(Effect.all([download(32), upload(32)]), 3)
        const { peak: before } = yield* child.ask("reset peak")
        assert.deepStrictEqual(yield* Effect.all([download(100), upload(100)]), [expected, expected])
        const { peak: after } = yield* child.ask("peak")
        assert.isBelow((after - before) / MiB, 48)
      }),
    120_000
  )
})
