/** What was recorded once, answered again. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestGateway } from "effect-ipc/testing"
import { it, onTestFinished, vi } from "vitest"
import * as Intercept from "../../../src/Intercept.js"
import { ask } from "../http/support.js"
import { rejection } from "../promise/support.js"
import { live, says, service, statusOf, suite, text } from "./support.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ipc-har-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const post = (body: string, type = "application/json") => ({ method: "POST", body, headers: { "content-type": type } })

interface Log {
  readonly log: { readonly entries: ReadonlyArray<Record<string, never>> }
}

describe("a recorded file", () => {
  live("is whole after each answer, for its owner alone, and answers in the same way in sequence", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "users.har")
      writeFileSync(file, "an older file, longer than the first entries ".repeat(50), { mode: 0o644 })
      chmodSync(file, 0o644)
      const gateway = yield* suite()
      const { http, url } = gateway
      let calls = 0
      yield* service(gateway, "users", (request, response) => {
        request.resume()
        request.on("end", () => {
          calls++
          if (request.url === "/users/gzip") {
            response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
            response.end(gzipSync('{"zipped":true}'))
          } else if (request.url === "/users/bytes") response.end(Buffer.from([0, 255, 254]))
          else if (request.url === "/users/none") response.writeHead(204).end()
          else if (request.method === "HEAD") response.writeHead(200, { "content-length": 12 }).end()
          else {
            response.setHeader("set-cookie", ["a=1", "b=2"])
            response.writeHead(request.method === "POST" ? 201 : 200, { "x-call": String(calls) })
            response.end(`call ${calls}`)
          }
        })
      })
      const asking = Effect.gen(function* () {
        const answers: Array<unknown> = []
        for (const [path, init] of [
          ["/users/7?a=1&b=2", {}],
          ["/users/7?b=2&a=1", {}],
          ["/users/7", {}],
          ["/users", post('{"name":"Ada","id":1}')],
          ["/users", post('{ "id": 1, "name": "Ada" }')],
          ["/users", post("name=Eve", "application/x-www-form-urlencoded")],
          ["/users/gzip", {}],
          ["/users/bytes", {}],
          ["/users/none", {}],
          ["/users/7", { method: "HEAD" }]
        ] as const) {
          const response = yield* Effect.promise(() => fetch(url + path, init))
          const body = Buffer.from(yield* Effect.promise(() => response.arrayBuffer())).toString("latin1")
          answers.push([response.status, response.headers.get("x-call"), response.headers.get("content-type"), body])
        }
        return answers
      })
      const recorded = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.record(file)
          return yield* asking
        })
      )
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.strictEqual((JSON.parse(readFileSync(file, "utf8")) as Log).log.entries.length, 10)
      assert.strictEqual(calls, 10)
      const replayed = yield* Effect.scoped(
        Effect.gen(function* () {
          const replay = yield* http.replay(file)
          const again = yield* asking
          assert.deepStrictEqual((yield* replay.calls).length, 10)
          // The last one stays.
          assert.strictEqual(yield* text(`${url}/users/7?a=1&b=2`), "call 2")
          return again
        })
      )
      assert.deepStrictEqual(replayed, recorded)
      assert.strictEqual(calls, 10)
      assert.strictEqual(yield* text(`${url}/users/7`), "call 11")
    })
  )

  live("has no secrets, and what was hidden is like anything when it is asked again", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "secrets.har")
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.any(), ({ path }) =>
        path === "/cut"
          ? Effect.succeed(
              new Response('{"a":[{"refresh_token":"s3cret', { headers: { "content-type": "application/json" } })
            )
          : Effect.succeed(
              Response.json(
                {
                  accessToken: "s3cret",
                  user: { name: "Ada", Password: "s3cret", list: [{ "api-key": { a: "s3cret" } }] }
                },
                { headers: { "set-cookie": "id=s3cret", location: "/next?token=s3cret&page=2", "x-api-key": "s3cret" } }
              )
            )
      )
      const headers = { authorization: "Bearer s3cret", cookie: "id=s3cret", "x-tenant": "s3cret", "x-plain": "shown" }
      const form = new FormData()
      form.append("password", "s3cret\r\ns3cret")
      form.append("name", "Ada")
      const requests = (url: string): ReadonlyArray<readonly [string, RequestInit]> => [
        [`${url}/a?page=1&access_token=s3cret`, { headers }],
        [`${url}/a`, { ...post('{"password":"s3cret","pin":"s3cret","name":"Ada"}') }],
        [`${url}/a`, post("password=s3cret&name=Ada", "application/x-www-form-urlencoded")],
        [`${url}/a`, post("<a:login x='1'><password>s3cret</password></a:login>", "application/xml")],
        [`${url}/a`, post('{"token":"s3cret"}\n{"secret":"s3cret"}', "application/x-ndjson")],
        [`${url}/a`, { method: "POST", body: form }],
        [`${url}/cut`, {}]
      ]
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.record(file, { redact: { headers: ["X-Tenant"], fields: ["pin"] } })
          for (const [target, init] of requests(url)) yield* text(target, init)
        })
      )
      const written = readFileSync(file, "utf8")
      assert.notInclude(written, "s3cret")
      for (const kept of ["shown", "Ada", "page=1", "page=2"]) assert.include(written, kept)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.replay(file)
          for (const [target, init] of requests(url)) {
            assert.strictEqual(yield* statusOf(target.replace("s3cret", "another"), init), 200)
          }
          const answer = yield* ask(`${url}/a?page=1&access_token=x`)
          assert.isUndefined(answer.headers["set-cookie"])
        })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.record(file, { redact: false, match: Intercept.get("/a") })
          for (const [target, init] of requests(url)) yield* text(target, init)
        })
      )
      const shown = JSON.parse(readFileSync(file, "utf8")) as Log
      assert.strictEqual(shown.log.entries.length, 1)
      assert.include(JSON.stringify(shown), "Bearer s3cret")
    })
  )

  live("fails what it has no answer for, with what came nearest, or passes it on", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const file = join(path, "a.har")
      const gateway = yield* suite({ maxRecordedBytes: 20 })
      const { http, url } = gateway
      yield* service(gateway, "real", says("real"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.record(file)
          yield* http.mock(Intercept.any(), Intercept.text("recorded"))
          yield* http.mock(Intercept.get("/real/long"), Intercept.text("x".repeat(30)))
          yield* text(`${url}/real/a?page=1`)
          yield* text(`${url}/real/b`, post('{"item":"tea"}'))
          yield* text(`${url}/real/long`)
        })
      )
      const failures: Array<unknown> = []
      const strict = yield* Effect.scoped(
        Effect.gen(function* () {
          const strict = yield* http.session({ strict: false })
          yield* strict.replay(file)
          for (const [target, init] of [
            ["/real/a?page=2", {}],
            ["/real/b", post('{"item":"coffee"}')],
            ["/real/c", {}],
            ["/real/long", {}]
          ] as const) {
            const headers = { ...strict.headers, ...("headers" in init ? init.headers : {}) }
            const answer = yield* Effect.promise(() => fetch(url + target, { ...init, headers }))
            failures.push([answer.status, yield* Effect.promise(() => answer.json())])
          }
          return yield* Effect.flip(strict.verify)
        })
      )
      const told = (value: string) => value.replaceAll(path, "/tests")
      expect(told(JSON.stringify(failures, null, 1))).toMatchInlineSnapshot(`
        "[
         [
          404,
          {
           "error": "/tests/a.har has no answer for GET /real/a. The one that came nearest: GET /real/a, but query.page is \\"2\\", not \\"1\\"."
          }
         ],
         [
          404,
          {
           "error": "/tests/a.har has no answer for POST /real/b. The one that came nearest: POST /real/b, but body.item is \\"coffee\\", not \\"tea\\"."
          }
         ],
         [
          404,
          {
           "error": "/tests/a.har has no answer for GET /real/c."
          }
         ],
         [
          500,
          {
           "error": "The recorded answer of GET /real/long isn't whole: record it with a greater { maxRecordedBytes }, or with { redact: false } where its content encoding is one that can't be searched for secrets"
          }
         ]
        ]"
      `)
      expect(told(strict.message)).toMatchInlineSnapshot(`
        "Failed while it answered (fix the handler, or what it asserts):
          - mock replay of /tests/a.har, asked GET /real/a: the handler failed: /tests/a.har has no answer for GET /real/a. The one that came nearest: GET /real/a, but query.page is "2", not "1". Record it anew, or pass { unmatched: "forward" } or { ignore }
          - mock replay of /tests/a.har, asked POST /real/b: the handler failed: /tests/a.har has no answer for POST /real/b. The one that came nearest: POST /real/b, but body.item is "coffee", not "tea". Record it anew, or pass { unmatched: "forward" } or { ignore }
          - mock replay of /tests/a.har, asked GET /real/c: the handler failed: /tests/a.har has no answer for GET /real/c. Record it anew, or pass { unmatched: "forward" } or { ignore }
          - mock replay of /tests/a.har, asked GET /real/long: the handler failed: The recorded answer of GET /real/long isn't whole: record it with a greater { maxRecordedBytes }, or with { redact: false } where its content encoding is one that can't be searched for secrets"
      `)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.replay(file, { unmatched: "forward", match: Intercept.any({ path: "/real/*" }) })
          assert.strictEqual(yield* text(`${url}/real/a?page=1`), "recorded")
          assert.strictEqual(yield* text(`${url}/real/a?page=2`), "real")
          assert.strictEqual(yield* text(`${url}/real/b`, post('{"item":"coffee"}')), "real")
          yield* http.replay(file, { ignore: ["query", "body"] })
          assert.strictEqual(yield* text(`${url}/real/a?page=2`), "recorded")
          assert.strictEqual(yield* text(`${url}/real/b`, post('{"item":"coffee"}')), "recorded")
        })
      )
    })
  )

  it("of a browser has headers of HTTP/2, several values in lines, and forms by their fields", async () => {
    const path = mkdtempSync(join(tmpdir(), "effect-ipc-har-"))
    const file = join(path, "browser.har")
    const entry = (request: object, response: object) => ({
      startedDateTime: "2026-01-01T00:00:00.000Z",
      time: 1,
      request: { method: "GET", url: "https://users.test/a", headers: [], bodySize: 0, ...request },
      response: { status: 200, headers: [], content: { size: 2, text: "ok" }, ...response }
    })
    const headers = (pairs: ReadonlyArray<readonly [string, string]>) => pairs.map(([name, value]) => ({ name, value }))
    const login = headers([["content-type", "application/x-www-form-urlencoded"]])
    const entries = [
      entry(
        {
          headers: headers([
            [":method", "GET"],
            [":path", "/a"]
          ])
        },
        {
          headers: headers([
            [":status", "200"],
            ["set-cookie", "a=1; path=/\nb=2"],
            ["set-cookie", "c=3"],
            ["x-many", "1\n2"],
            ["x-name", "Zo\u00eb \u20ac"],
            ["not a name", "1"]
          ])
        }
      ),
      entry(
        { method: "POST", headers: login, postData: { mimeType: "", params: [{ name: "user", value: "ada b" }] } },
        { content: { size: 5, text: "hello" } }
      )
    ]
    writeFileSync(file, JSON.stringify({ log: { entries } }))
    await using gateway = await TestGateway.start()
    await gateway.replay(file)
    const response = await fetch(`${gateway.url}/a`)
    assert.deepStrictEqual(response.headers.getSetCookie(), ["a=1; path=/", "b=2", "c=3"])
    // A value that isn't Latin-1 is sent all the same.
    assert.deepStrictEqual([response.headers.get("x-many"), response.headers.has("x-name")], ["1, 2", true])
    const posted = await fetch(`${gateway.url}/a`, { method: "POST", body: new URLSearchParams({ user: "ada b" }) })
    assert.strictEqual(await posted.text(), "hello")
    rmSync(path, { recursive: true })
  })

  it("of a session has the session's requests; wrong files and words are refused", async () => {
    const path = mkdtempSync(join(tmpdir(), "effect-ipc-har-"))
    await using gateway = await TestGateway.start()
    const file = join(path, "a.har")
    {
      await using session = await gateway.session({ strict: false })
      await using _recording = await session.record(file)
      await fetch(`${gateway.url}/a`, { headers: session.headers })
      await fetch(`${gateway.url}/b`)
    }
    assert.deepStrictEqual((JSON.parse(readFileSync(file, "utf8")) as Log).log.entries.length, 1)
    writeFileSync(join(path, "wrong.har"), '{"log":{}}')
    const wrong: ReadonlyArray<Promise<unknown>> = [
      gateway.record(join(path, "no", "folder.har")),
      gateway.replay(join(path, "none.har")),
      gateway.replay(join(path, "wrong.har")),
      gateway.record(file, { redact: { header: ["a"] } } as never),
      gateway.record(file, { redact: { headers: "a" } } as never),
      gateway.record(file, { matches: {} } as never),
      gateway.replay(file, { unmatched: "pass" } as never),
      gateway.replay(file, { ignore: ["headers"] } as never)
    ]
    const messages = await Promise.all(wrong.map(rejection))
    expect(
      messages.map(({ message }) => message.replaceAll(path, "/tests").replaceAll(/\s*\n\s*/g, " "))
    ).toMatchInlineSnapshot(`
      [
        "The HAR file /tests/no/folder.har can't be written: ENOENT: no such file or directory, open '/tests/no/folder.har'. Check that its folder exists and can be written to.",
        "The HAR file /tests/none.har can't be read: ENOENT: no such file or directory, open '/tests/none.har'. Record it first, by record(file), or check the path.",
        "The HAR file /tests/wrong.har can't be read: log.entries is missing. Record it first, by record(file), or check the path.",
        "record() can't do this: redact has no "header". Did you mean "headers"? It takes headers, fields; false hides nothing.",
        "record() can't do this: redact.headers is a list of names, not a string.",
        "record() can't do this: its options have no "matches". Did you mean "match"? They take match, redact.",
        "replay() can't do this: unmatched is "fail" or "forward", not "pass".",
        "replay() can't do this: ignore is a list of "query" and "body", not an array.",
      ]
    `)
    rmSync(path, { recursive: true })
  })
})

describe("a recording on a disc that is full", () => {
  it("is whole up to the last exchange that there was room for, and says so when it is closed", async () => {
    const path = mkdtempSync(join(tmpdir(), "effect-ipc-har-"))
    onTestFinished(() => rmSync(path, { recursive: true }))
    const file = join(path, "a.har")
    const probe = await open(join(path, "probe"), "w")
    const handles = Object.getPrototypeOf(probe) as FileHandle
    await probe.close()
    await using gateway = await TestGateway.start()
    await gateway.mock(Intercept.get("/:n"), Intercept.text("hello"))
    const recording = await gateway.record(file)
    // A disc writes what it has room for, and fails only the next time.
    const room = 3000
    const { write } = handles
    const full = vi.spyOn(handles, "write").mockImplementation(function (this: FileHandle, ...args: Array<unknown>) {
      const [data, offset, , at] = args as [Buffer, number, number, number]
      if (at >= room) return Promise.reject(new Error("ENOSPC: no space left on device, write"))
      return Reflect.apply(write, this, [data, offset, Math.min(data.length - offset, room - at), at])
    } as never)
    onTestFinished(() => full.mockRestore())
    for (let n = 0; n < 10; n++) await fetch(`${gateway.url}/${n}`)
    const { message } = await rejection(recording.close())
    assert.include(message, "can't be written: ENOSPC: no space left on device, write.")
    const { entries } = (JSON.parse(readFileSync(file, "utf8")) as Log).log
    assert.isAbove(entries.length, 0)
    assert.isBelow(statSync(file).size, room)
  })
})

describe("a forwarded request", () => {
  live("stays with the service that it was sent to", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const { http, url } = gateway
      yield* service(gateway, "users", (request, response) => void response.end(`users ${request.url}`))
      yield* service(gateway, "orders", says("orders"))
      const answers: Array<string> = []
      for (const path of [
        "/users/8?a=1",
        "/users//evil.test/x",
        "/users/./9",
        "/orders/1",
        "/users/../orders/1",
        "/users/%2e%2e/orders/1",
        "//evil.test/x",
        "http://evil.test/x",
        "users/1",
        "/nowhere"
      ]) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const mock = yield* http.mock(Intercept.get("/users/7"), ({ forward }) => forward({ path }))
            const body = yield* text(`${url}/users/7`)
            const [call] = yield* mock.calls
            answers.push(`${path}: ${call?.failure ?? body}`)
          })
        )
      }
      expect(answers).toMatchInlineSnapshot(`
        [
          "/users/8?a=1: users /users/8?a=1",
          "/users//evil.test/x: users /users//evil.test/x",
          "/users/./9: users /users/9",
          "/orders/1: the handler failed: It can't be forwarded: /orders/1 is that of the service at /orders, and a request stays with the service that it was sent to, at /users.",
          "/users/../orders/1: the handler failed: It can't be forwarded: /orders/1 is that of the service at /orders, and a request stays with the service that it was sent to, at /users.",
          "/users/%2e%2e/orders/1: the handler failed: It can't be forwarded: /orders/1 is that of the service at /orders, and a request stays with the service that it was sent to, at /users.",
          "//evil.test/x: the handler failed: It can't be forwarded: //evil.test/x is no service's, and a request stays with the service that it was sent to, at /users.",
          "http://evil.test/x: the handler failed: It can't be forwarded: the path of a forwarded request begins with a slash, such as /users/7; not "http://evil.test/x".",
          "users/1: the handler failed: It can't be forwarded: the path of a forwarded request begins with a slash, such as /users/7; not "users/1".",
          "/nowhere: the handler failed: It can't be forwarded: /nowhere is no service's, and a request stays with the service that it was sent to, at /users.",
        ]
      `)
    })
  )
})
