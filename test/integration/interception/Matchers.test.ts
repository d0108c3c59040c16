import { HttpApi } from "@effect/platform"
import { assert, describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as HttpApiMock from "../../../layers/testing/HttpApiMock.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import * as Intercept from "../../../src/Intercept.js"
import type { RequestMatcher } from "../../../src/RequestMatcher.js"
import { Users } from "./api.js"
import { live, statusOf, suite } from "./support.js"

/** What a request is answered by a mock of the matcher, and what is said of one that doesn't match. */
const trial = (matcher: RequestMatcher) =>
  Effect.gen(function* () {
    const { http, url } = yield* suite()
    yield* http.mock(matcher, Intercept.text("matched"), { name: "it" })
    const send = (path: string, init?: RequestInit) =>
      Effect.gen(function* () {
        const status = yield* statusOf(`${url}${path}`, init)
        if (status === 200) return "matched"
        const { nearest } = (yield* http.unmatched).at(-1) ?? {}
        return nearest?.replace("mock it, but ", "")
      })
    return { send }
  })

const post = (body: string | FormData | Uint8Array<ArrayBuffer>, type?: string): RequestInit => ({
  method: "POST",
  body,
  ...(type === undefined ? {} : { headers: { "content-type": type } })
})

describe("a body matcher", () => {
  live("that is an expression takes the text of whatever is text", () =>
    Effect.gen(function* () {
      const { send } = yield* trial(Intercept.post("/a", { body: /<UserID>x<|x é/ }))
      const xml = "<a><UserID>x</UserID></a>"
      const types = [
        "application/xml",
        "text/xml; charset=utf-8",
        "application/soap+xml",
        "image/svg+xml",
        "application/vnd.acme.order+XML",
        "application/x-yaml",
        "application/graphql",
        "application/javascript",
        "application/octet-stream",
        "application/unheard-of; charset=utf-8"
      ]
      for (const type of types) assert.deepStrictEqual([type, yield* send("/a", post(xml, type))], [type, "matched"])
      const latin1 = new Uint8Array(Buffer.from("x é", "latin1"))
      assert.strictEqual(yield* send("/a", post(latin1, "application/xml; charset=iso-8859-1")), "matched")
      const utf16 = new Uint8Array(Buffer.from("x é", "utf16le"))
      assert.strictEqual(yield* send("/a", post(utf16, "text/plain; charset=utf-16le")), "matched")
      assert.strictEqual(
        yield* send("/a", post("<a><UserID>y</UserID></a>", "application/xml")),
        'body is "<a><UserID>y</UserID></a>", not /<UserID>x<|x é/'
      )
      assert.strictEqual(
        yield* send("/a", post(new Uint8Array([0, 1, 255]), "image/png")),
        "body is 3 bytes, not /<UserID>x<|x é/"
      )
    })
  )

  live("takes forms and multipart bodies by field, in any order, files among them", () =>
    Effect.gen(function* () {
      const { send } = yield* trial(
        Intercept.post("/a", { body: { name: "Ada", tag: ["a", "b"], photo: { filename: "ada.txt", text: /^hi/ } } })
      )
      const form = (photo: string) => {
        const data = new FormData()
        data.append("photo", new File([photo], "ada.txt", { type: "text/plain" }))
        for (const [name, value] of [
          ["tag", "a"],
          ["name", "Ada"],
          ["tag", "b"],
          ["more", "x"]
        ] as const) {
          data.append(name, value)
        }
        return data
      }
      assert.strictEqual(yield* send("/a", post(form("hi there"))), "matched")
      assert.strictEqual(yield* send("/a", post(form("ho there"))), 'body.photo.text is "ho there", not /^hi/')

      const simple = yield* trial(Intercept.post("/b", { body: { name: "Ada", tag: ["a", "b"] } }))
      const type = "application/x-www-form-urlencoded; charset=UTF-8"
      assert.strictEqual(yield* simple.send("/b", post("tag=a&tag=b&x=1&name=Ada", type)), "matched")
      assert.strictEqual(
        yield* simple.send("/b", post("tag=a&name=Bob", type)),
        'body.name is "Bob", not "Ada", and 1 more part differs'
      )
    })
  )

  live("may have predicates, expressions and asymmetric matchers anywhere, and be exact", () =>
    Effect.gen(function* () {
      const { send } = yield* trial(
        Intercept.post("/a", {
          body: {
            id: expect.any(Number),
            name: /^A/,
            tags: [expect.stringContaining("x"), (tag: unknown) => tag !== "b"],
            by: Intercept.exact({ name: "Ada" }),
            secret: Intercept.absent
          }
        })
      )
      const json = (value: unknown) => post(JSON.stringify(value), "application/vnd.api+json")
      const right = { id: 7, name: "A", tags: ["xy", "c"], by: { name: "Ada" }, more: 1 }
      assert.strictEqual(yield* send("/a", json(right)), "matched")
      const wrong = [
        yield* send("/a", json({ ...right, id: "7" })),
        yield* send("/a", json({ ...right, tags: ["xy", "b"] })),
        yield* send("/a", json({ ...right, by: { name: "Ada", age: 36 } })),
        yield* send("/a", json({ ...right, secret: 1 })),
        yield* send("/a", json({ ...right, tags: ["xy"] })),
        yield* send("/a", json([]))
      ]
      assert.deepStrictEqual(wrong, [
        'body.id is "7", not Any<Number>',
        'body.tags[1] is "b", not what its predicate takes',
        "body.by.age is 36, and should be absent",
        "body.secret is 1, and should be absent",
        'body.tags is ["xy"], not ["<StringContaining \\"x\\">","<what its predicate takes>"]',
        `body is [], not {"id":"<Any<Number>>","name":"</^A/>","tags":["<StringContaining \\"x\\">","<what its predicate takes>"],"by":"<exactly {\\"name\\":\\"Ada\\"}>","secret":"<nothing>"}`
      ])
    })
  )

  live("may be a Schema, whose value the handler gets, and a predicate, whose failed assertion is shown", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const Order = Schema.Struct({ item: Schema.String, at: Schema.Date })
      const orders = yield* http.mock(Intercept.post("/orders", { body: Order }), ({ body }) =>
        Effect.succeed({ item: body.item, year: body.at.getUTCFullYear() })
      )
      yield* http.mock(
        Intercept.post("/asserted", {
          body: (body) => {
            expect(body).toEqual({ a: 1 })
            return true
          }
        }),
        Intercept.status(204)
      )
      const json = (value: unknown) => post(JSON.stringify(value), "application/json")
      assert.strictEqual(yield* statusOf(`${url}/orders`, json({ item: "tea", at: "2024-12-10T00:00:00.000Z" })), 200)
      assert.deepStrictEqual((yield* orders.calls)[0]?.response?.body, { item: "tea", year: 2024 })
      assert.strictEqual(yield* statusOf(`${url}/orders`, json({ item: "tea", at: "soon" })), 404)
      assert.strictEqual(yield* statusOf(`${url}/asserted`, json({ a: 1 })), 204)
      assert.strictEqual(yield* statusOf(`${url}/asserted`, json({ a: 2 })), 404)
      const [schema, asserted] = (yield* http.unmatched).map(({ nearest }) => nearest ?? "")
      assert.match(schema ?? "", /but body is .*, not .*\["at"\].* Expected a valid Date, actual Invalid Date/)
      assert.match(
        asserted ?? "",
        /but body is \{"a":2\}, not what body takes, which threw: expected \{ a: 2 \} to deeply equal/
      )
    })
  )

  live("may throw, or remove its interceptor, while a body is compared: the request goes on", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const throwing = () => {
        throw new Error("the matcher's own")
      }
      const wanted = Object.defineProperty({}, "a", { get: throwing, enumerable: true })
      const matchers = {
        transformed: Schema.transform(Schema.Unknown, Schema.Unknown, { decode: throwing, encode: throwing }),
        filtered: Schema.Unknown.pipe(Schema.filter(throwing)),
        field: wanted,
        inField: { a: wanted }
      }
      const form = new FormData()
      form.set("a", "1")
      for (const [name, body] of Object.entries(matchers)) {
        yield* http.mock(Intercept.post(`/${name}`, { body: body as never }), Intercept.status(204))
        for (const sent of [post('{"a":{"a":1}}', "application/json"), post(form)]) {
          assert.deepStrictEqual([name, yield* statusOf(`${url}/${name}`, sent)], [name, 404])
        }
      }
      const scope = yield* Scope.make()
      const remove = () => {
        Effect.runFork(Scope.close(scope, Exit.void))
        return true
      }
      const removed = http.mock(Intercept.post("/removed", { body: remove }), Intercept.status(204))
      yield* Scope.extend(removed, scope)
      assert.strictEqual(yield* statusOf(`${url}/removed`, post("{}", "application/json")), 404)
    })
  )

  live("that wants fields says under which content type a body of text came", () =>
    Effect.gen(function* () {
      const { send } = yield* trial(Intercept.post("/a", { body: { a: 1 } }))
      assert.strictEqual(
        yield* send("/a", post('{"a":1}')),
        'body is text of content type text/plain;charset=UTF-8: "{\\"a\\":1}", not {"a":1}'
      )
      assert.strictEqual(yield* send("/a", { method: "POST" }), 'body is missing, and should be {"a":1}')
    })
  )
})

describe("a query or a header", () => {
  live("may be absent, exact, a list, a predicate or an asymmetric matcher", () =>
    Effect.gen(function* () {
      const { send } = yield* trial(
        Intercept.get("/a", {
          query: {
            page: (page) => Number(page) > 1,
            sort: expect.stringMatching(/^n/),
            tag: ["a", "b"],
            debug: Intercept.absent
          },
          headers: { "X-Debug": Intercept.absent }
        })
      )
      assert.strictEqual(yield* send("/a?page=2&sort=name&tag=a&tag=b"), "matched")
      const wrong = [
        yield* send("/a?page=1&sort=name&tag=a&tag=b"),
        yield* send("/a?page=2&sort=date&tag=a&tag=b"),
        yield* send("/a?page=2&sort=name&tag=b&tag=a"),
        yield* send("/a?page=2&sort=name&tag=a&tag=b&debug="),
        yield* send("/a?page=2&sort=name&tag=a&tag=b", { headers: { "x-debug": "1" } }),
        yield* send("/a?sort=name&tag=a&tag=b")
      ]
      assert.deepStrictEqual(wrong, [
        'query.page is "1", not what page takes',
        'query.sort is "date", not StringMatching /^n/',
        'query.tag is "b", "a", not ["a","b"]',
        'query.debug is "", and should be absent',
        'headers.x-debug is "1", and should be absent',
        "query.page is missing, and should be what page takes"
      ])
      const lists = yield* trial(
        Intercept.get("/a", {
          query: {
            tag: expect.arrayContaining(["b"]),
            id: expect.not.stringContaining("x"),
            list: expect.any(Array)
          }
        })
      )
      assert.strictEqual(yield* lists.send("/a?tag=a&tag=b&id=1&list=1&list=2"), "matched")
      assert.strictEqual(yield* lists.send("/a?tag=b&id=1&list=1"), "matched")
      assert.deepStrictEqual(
        [yield* lists.send("/a?tag=a&tag=c&id=1&list=1"), yield* lists.send("/a?tag=b&id=x&list=1")],
        ['query.tag is "a", "c", not ArrayContaining ["b"]', 'query.id is "x", not StringNotContaining "x"']
      )
      const exact = yield* trial(
        Intercept.get("/a", { query: Intercept.exact({ page: "1" }), headers: Intercept.exact({ "x-a": "1" }) })
      )
      const headers = { "x-a": "1" }
      assert.strictEqual(yield* exact.send("/a?page=1", { headers }), "matched")
      const traced = { "x-b3-traceid": "1", "x-b3-sampled": "1", b3: "0", "uber-trace-id": "1", "x-amzn-trace-id": "1" }
      assert.strictEqual(yield* exact.send("/a?page=1", { headers: { ...headers, ...traced } }), "matched")
      assert.strictEqual(yield* exact.send("/a?page=1&x=1", { headers }), 'query.x is "1", and should be absent')
      assert.strictEqual(
        yield* exact.send("/a?page=1", { headers: { ...headers, "x-b": "1" } }),
        'headers.x-b is "1", and should be absent'
      )
    })
  )

  live("of a path that is an expression has its named groups as params", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const users = yield* http.mock(Intercept.get(/^\/users\/(?<id>\d+)$/g), ({ params }) => Effect.succeed(params.id))
      for (const path of ["/users/7?x=1", "/users/8", "/users/x"]) yield* statusOf(`${url}${path}`)
      assert.deepStrictEqual(
        (yield* users.calls).map(({ request, response }) => [request.params.id, request.query, response?.body]),
        [
          ["7", { x: "1" }, "7"],
          ["8", {}, "8"]
        ]
      )
    })
  )
})

describe("in plain JavaScript", () => {
  live("wrong words are refused where the interceptor is made, with the right ones", () =>
    Effect.gen(function* () {
      const { http } = yield* suite()
      const mock = (matcher: object, options?: object, handler: unknown = () => Effect.void) =>
        Effect.scoped(http.mock(matcher as RequestMatcher, handler as never, options as never))
      const wrong: ReadonlyArray<Effect.Effect<unknown, Error>> = [
        mock({ header: { a: "1" } }),
        mock({ url: "/a" }),
        mock({ path: "/a", query: { page: 1 } }),
        mock({ path: "/a", headers: { "x-a": { b: 1 } } }),
        mock({ path: "/a", query: "page=1" }),
        mock({ path: 7 }),
        mock({ method: 7 }),
        mock({ path: "/a" }, { time: 1 }),
        mock({ path: "/a" }, { times: "2" }),
        mock({ path: "/a" }, { times: 0 }),
        mock({ path: "/a" }, {}, { name: "Ada" }),
        Effect.scoped(http.spy({ path: "/a" }, { cors: true } as object)),
        Effect.scoped(http.fault({ path: "/a" }, { _tag: "ResetInBody", after: 4 } as never)),
        Effect.scoped(http.fault({ path: "/a" }, { _tag: "ResetInBody" } as never)),
        mock({ path: "/a" }, { name: 7 }),
        mock({ path: "/a" }, { optional: "yes" }),
        mock({ path: "/a" }, { cors: 1 }),
        mock({ api: "" }),
        Effect.scoped(http.fault({ path: "/a" }, { _tag: "Delay", durration: 4 } as never)),
        Effect.scoped(http.fault({ path: "/a" }, Intercept.json({}) as never))
      ]
      const messages = yield* Effect.forEach(wrong, (effect) =>
        Effect.map(Effect.flip(effect), ({ message }) => message)
      )
      assert.deepStrictEqual(messages, [
        'The interceptor can\'t be made: a request matcher has no "header". Did you mean "headers"? It takes method, path, query, headers, body, api.',
        'The interceptor can\'t be made: a request matcher has no "url". It takes method, path, query, headers, body, api.',
        'The interceptor can\'t be made: query.page is text: pass "1", not a number.',
        "The interceptor can't be made: headers.x-a is a string, an expression, a predicate, a list of strings or Intercept.absent, not an object.",
        "The interceptor can't be made: its query is an object of names and values, not a string.",
        'The interceptor can\'t be made: its path is a string like "/users/:id" or an expression, not a number.',
        "The interceptor can't be made: its method is a string, not a number.",
        'The interceptor can\'t be made: its options have no "time". Did you mean "times"? They take times, name, optional, cors, delay.',
        'The interceptor can\'t be made: times is a whole number from 1, not "2".',
        "The interceptor can't be made: times is a whole number from 1, not 0.",
        "The interceptor can't be made: its handler is a function, not an object; for a fixed answer pass Intercept.json(…) or its like.",
        'The interceptor can\'t be made: its options have no "cors". They take times, name, optional.',
        'The interceptor can\'t be made: the fault ResetInBody has no "after". It takes _tag, afterBytes.',
        "The interceptor can't be made: afterBytes is a number of bytes, a whole one from 0, not undefined.",
        "The interceptor can't be made: name is a string, not a number.",
        "The interceptor can't be made: optional is true or false, not a string.",
        "The interceptor can't be made: cors is true or false, not a number.",
        "The interceptor can't be made: its api is empty.",
        'The interceptor can\'t be made: the fault Delay has no "durration". Did you mean "duration"? It takes _tag, duration.',
        "The interceptor can't be made: its fault is Intercept.delay(…), failWith(…), drop or resetInBody(…); an answer goes to mock."
      ])
      assert.throws(() => Intercept.json({}, { stat: 1 } as object), 'have no "stat". Did you mean "status"?')
    })
  )

  live("so are wrong durations, statuses, sequences, events and names of endpoints", () =>
    Effect.gen(function* () {
      const { http } = yield* suite()
      const any = Intercept.any()
      const status = Intercept.status(200)
      const mock = yield* http.mock(any, status)
      const Api = HttpApi.make("api").add(Users)
      const endpoint = (group: string, name: string) =>
        HttpApiMock.endpoint(Api, group as never, name as never, (() => Effect.void) as never).pipe(
          Effect.provideService(HttpInterception, http)
        ) as unknown as Effect.Effect<unknown, Error>
      const refused: ReadonlyArray<Effect.Effect<unknown, Error, Scope.Scope>> = [
        http.mock(any, status, { delay: "1 secnd" as never }),
        http.fault(any, { _tag: "Delay", duration: "soon" } as never),
        http.fault(any, { _tag: "Status", status: "500" } as never),
        http.awaitRequest(any, { timeout: "soon" as never }),
        mock.awaitCall(1, { timeout: "soon" as never }),
        mock.awaitCall(undefined as never),
        endpoint("nobody", "find"),
        endpoint("users", "lose"),
        HttpApiMock.endpoint({} as never, "users" as never, "find" as never, (() => Effect.void) as never).pipe(
          Effect.provideService(HttpInterception, http)
        ) as unknown as Effect.Effect<unknown, Error>,
        HttpApiMock.all(Api, {} as never).pipe(
          Effect.provideService(HttpInterception, http)
        ) as unknown as Effect.Effect<unknown, Error>,
        http.session({ strict: 1 } as never),
        http.record(undefined as never),
        http.record(new URL("https://users.test/a.har")),
        http.replay(7 as never),
        mock.awaitCall(1, null as never)
      ]
      const messages = yield* Effect.forEach(refused, (effect) =>
        Effect.map(
          Effect.flip(Effect.catchAllDefect(effect, (error) => Effect.fail(error as Error))),
          ({ message }) => message
        )
      )
      expect(messages).toMatchInlineSnapshot(`
        [
          "The interceptor can't be made: delay is a duration, such as "20 millis" or a number of milliseconds, not "1 secnd".",
          "The interceptor can't be made: its duration is a duration, such as "20 millis" or a number of milliseconds, not "soon".",
          "The interceptor can't be made: its status is a whole number from 200 to 999, not "500".",
          "awaitRequest() can't do this: timeout is a duration, such as "20 millis" or a number of milliseconds, not "soon".",
          "awaitCall() can't do this: timeout is a duration, such as "20 millis" or a number of milliseconds, not "soon".",
          "awaitCall() can't do this: it takes the number of what is awaited, counted from 1.",
          "The interceptor can't be made: the api has no group "nobody"; it has users.",
          "The interceptor can't be made: the group "users" has no endpoint "lose"; it has find, create, remove.",
          "The interceptor can't be made: its api is a platform HttpApi, such as HttpApi.make("api"), not an object.",
          "The interceptor can't be made: its handlers are a Layer, such as HttpApiBuilder.group(…) gives, not an object.",
          "session() can't do this: strict is true or false, not a number.",
          "record() can't do this: the file is a path or a URL, not undefined.",
          "record() can't do this: the file is at the URL of a file, not at https:.",
          "replay() can't do this: the file is a path or a URL, not 7.",
          "awaitCall() can't do this: its options are an object of timeout, not null.",
        ]
      `)
    })
  )
})
