import { execFile } from "node:child_process"
import * as nodeHttp from "node:http"
import type { AddressInfo } from "node:net"
import { promisify } from "node:util"
import { FetchHttpClient, HttpApi, HttpApiBuilder, HttpApiClient, HttpServerResponse } from "@effect/platform"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionClosed, UnverifiedInterception } from "effect-ipc"
import { Intercept, TestGateway, type TestInterception } from "effect-ipc/testing"
import { assert, describe, it, onTestFinished } from "vitest"
import { WebSocket, WebSocketServer } from "ws"
import { Health, NoSuchUser, Users } from "../interception/api.js"
import { event, rejection, thrown } from "../promise/support.js"

const start = async (options?: Parameters<typeof TestGateway.start>[0]): Promise<TestGateway.TestGateway> => {
  const gateway = await TestGateway.start(options)
  onTestFinished(() => gateway.close())
  return gateway
}

/** A real service that says its name, and echoes WebSockets after a welcome. */
const service = async (gateway: TestGateway.TestGateway, api: string, word = "real") => {
  const server = nodeHttp.createServer((request, response) => {
    request.resume()
    response.end(word)
  })
  const webSockets = new WebSocketServer({ server })
  webSockets.on("connection", (socket) => {
    socket.send("welcome")
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  await gateway.register([{ api, baseUrl: `http://127.0.0.1:${port}`, pathPrefix: `/${api}` }])
}

const ask = async (url: string, init?: RequestInit): Promise<string> => {
  const response = await fetch(url, init)
  return `${response.status} ${await response.text()}`
}

const open = async (url: string) => {
  const socket = new WebSocket(url.replace("http:", "ws:"))
  const received: Array<string> = []
  const waiting: Array<(message: string) => void> = []
  const closed = event<{ readonly code: number; readonly reason: string }>()
  socket.on("message", (data) => {
    const next = waiting.shift()
    if (next === undefined) received.push(String(data))
    else next(String(data))
  })
  socket.on("close", (code, reason) => closed.fire({ code, reason: String(reason) }))
  onTestFinished(() => socket.terminate())
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject))
  return {
    send: (text: string) => socket.send(text),
    next: () => {
      const text = received.shift()
      return text === undefined ? new Promise<string>((resolve) => waiting.push(resolve)) : Promise.resolve(text)
    },
    closed: closed.fired
  }
}

describe("a mock behind promises", () => {
  it("answers by an async function, records, and gives the service back when it is closed", async () => {
    const gateway = await start()
    await service(gateway, "users")
    const target = `${gateway.url}/users/7?page=2`
    assert.strictEqual(await ask(target), "200 real")
    {
      await using users = await gateway.mock(Intercept.get("/users/:id"), async ({ headers, params, query }) => ({
        id: params.id,
        page: query.page,
        tenant: headers["x-tenant"]
      }))
      assert.strictEqual(users.name, "GET /users/:id")
      const answer = { id: "7", page: "2", tenant: "acme" }
      assert.strictEqual(await ask(target, { headers: { "X-Tenant": "acme" } }), `200 ${JSON.stringify(answer)}`)
      const [call] = users.calls()
      assert.deepStrictEqual(
        [call?.request.method, call?.request.path, call?.response?.status, call?.response?.body, call?.failure],
        ["GET", "/users/7", 200, answer, undefined]
      )
      assert.isTrue(call !== undefined && Duration.isDuration(call.duration))
      await users.close()
    }
    assert.strictEqual(await ask(target), "200 real")
  })

  it("answers with a plain value, nothing, a platform response, an answer of Intercept, or what it rejects with", async () => {
    const gateway = await start()
    const answers: Record<string, TestInterception.TestHandler> = {
      plain: () => [1],
      nothing: async () => {},
      platform: async () => HttpServerResponse.text("teapot", { status: 418 }),
      json: Intercept.json({ a: 1 }, { status: 201 }),
      web: async () => Response.json({ name: "Ada" }, { status: 201 }),
      bytes: () => new Uint8Array([104, 105]),
      stream: () => new Blob(["str", "eam"]).stream(),
      iterable: async () =>
        (async function* () {
          yield "a"
          yield new Uint8Array([98])
        })(),
      chosen: async (request) => Intercept.status(404)(request),
      throws: () => {
        throw new Error("not today")
      },
      rejects: async () => Promise.reject(new Error("not tomorrow"))
    }
    const told: Array<string> = []
    for (const [path, answer] of Object.entries(answers)) {
      await gateway.mock(Intercept.get(`/${path}`), answer)
      told.push(await ask(`${gateway.url}/${path}`))
    }
    assert.deepStrictEqual(told, [
      "200 [1]",
      "200 ",
      "418 teapot",
      '201 {"a":1}',
      '201 {"name":"Ada"}',
      "200 hi",
      "200 stream",
      "200 ab",
      "404 ",
      '500 {"error":"not today"}',
      '500 {"error":"not tomorrow"}'
    ])
  })

  it("matches method, path, query, headers and body, and nests: the newest first, limited ones let the others through", async () => {
    const gateway = await start()
    await service(gateway, "orders")
    const words: ReadonlyArray<[string, Parameters<typeof gateway.mock>[0], { readonly times: number }?]> = [
      ["twice", Intercept.any({ path: "/orders" }), Intercept.times(2)],
      ["put", Intercept.put("/orders")],
      ["page 2", Intercept.get("/orders", { query: { page: /^2$/ } })],
      ["acme", Intercept.get("/orders", { headers: { "X-Tenant": "acme" } })],
      ["book", Intercept.post("/orders", { body: { item: "book" } }), Intercept.once]
    ]
    for (const [word, match, options] of words) await gateway.mock(match, Intercept.text(word), options)
    const orders = `${gateway.url}/orders`
    const book = { method: "POST", body: '{"item":"book","n":1}', headers: { "content-type": "application/json" } }
    assert.deepStrictEqual(
      [
        await ask(orders, { method: "PUT" }),
        await ask(`${orders}?page=2`),
        await ask(orders, { headers: { "x-tenant": "acme" } }),
        await ask(orders, book),
        await ask(orders, book),
        await ask(orders),
        await ask(orders)
      ],
      ["200 put", "200 page 2", "200 acme", "200 book", "200 twice", "200 twice", "200 real"]
    )
  })

  it("of an unregistered api is found by discover, and isn't once it is closed", async () => {
    const gateway = await start()
    const mail = await gateway.mock(Intercept.any({ api: "mail" }), () => "sent")
    assert.strictEqual(await gateway.discover("mail"), gateway.url)
    assert.strictEqual(await ask(`${gateway.url}/mail/to/ada`), '200 "sent"')
    await mail.close()
    assert.strictEqual((await rejection(gateway.discover("mail")))._tag, "ServiceNotRegistered")
  })

  it("answers curl, and a web page's preflight where the test allows it", async () => {
    const gateway = await start()
    await gateway.mock(Intercept.put("/open"), () => ({ a: 1 }), { cors: true })
    const curl = async (...args: ReadonlyArray<string>) =>
      (
        await promisify(execFile)("curl", [
          "-s",
          "-i",
          "-H",
          "Origin: https://example.com",
          ...args,
          `${gateway.url}/open`
        ])
      ).stdout
    const preflight = await curl("-X", "OPTIONS", "-H", "Access-Control-Request-Method: PUT")
    assert.match(preflight, /^HTTP\/1.1 204 [\s\S]*access-control-allow-origin: https:\/\/example.com\r\n/i)
    assert.match(await curl("-X", "PUT"), /access-control-allow-origin: https:\/\/example.com\r\n[\s\S]*\{"a":1\}$/i)
  })

  it("that is closed in the middle of a request answers 503 and aborts its handler's signal; the next test sees the service", async () => {
    const gateway = await start()
    await service(gateway, "users")
    const arrived = event<AbortSignal>()
    const users = await gateway.mock(Intercept.get("/users/:id"), (_, signal) => {
      arrived.fire(signal)
      return new Promise(() => {})
    })
    const hanging = ask(`${gateway.url}/users/7`)
    const signal = await arrived.fired
    await users.close()
    assert.strictEqual(await hanging, '503 {"error":"The handler of GET /users/7 was interrupted."}')
    assert.isTrue(signal.aborted)
    assert.strictEqual(await ask(`${gateway.url}/users/7`), "200 real")
  })

  it("in a block that throws in the middle of a request leaves nothing behind", async () => {
    const gateway = await start()
    await service(gateway, "users")
    const arrived = event()
    let hanging: Promise<string> | undefined
    const failing = async () => {
      await using _users = await gateway.mock(Intercept.any({ api: "users" }), () => {
        arrived.fire()
        return new Promise(() => {})
      })
      hanging = ask(`${gateway.url}/users/7`)
      await arrived.fired
      throw new Error("the test's own")
    }
    assert.strictEqual(await failing().catch((error) => error.message), "the test's own")
    assert.include(await hanging, "503")
    assert.strictEqual(await ask(`${gateway.url}/users/7`), "200 real")
    assert.strictEqual(await ask(`${gateway.url}/nowhere`), withoutInterceptors)
  })

  it("whose path isn't one rejects with the tagged error, a real Error", async () => {
    const gateway = await start()
    const error = await rejection(gateway.mock(Intercept.get("users"), () => {}))
    assert.strictEqual(error._tag, "InvalidRoute")
  })
})

/** What a request gets that nothing matches, while there is no interceptor. */
const withoutInterceptors =
  '404 {"error":"No route for GET /nowhere. No route matches, and the proxy resolver knows no upstream for it: is the service registered?"}'

describe("the calls of an interceptor behind promises", () => {
  it("are awaited, streamed and forgotten, and end with it", async () => {
    const gateway = await start()
    await service(gateway, "users")
    const spy = await gateway.spy(Intercept.get("/users/:id"), { name: "users" })
    const third = spy.awaitCall(3)
    const streamed = (async () => {
      const ids: Array<string | undefined> = []
      for await (const { request } of spy.stream) ids.push(request.params.id)
      return ids
    })()
    for (const id of [1, 2, 3]) assert.strictEqual(await ask(`${gateway.url}/users/${id}`), "200 real")
    assert.strictEqual((await third).request.params.id, "3")
    for await (const { request } of spy.stream) {
      assert.strictEqual(request.params.id, "1")
      break
    }
    spy.reset()
    assert.deepStrictEqual(spy.calls(), [])
    await ask(`${gateway.url}/users/4`)
    assert.strictEqual((await spy.awaitCall(1)).request.params.id, "4")
    const never = spy.awaitCall(2).catch((error: Error) => error.message)
    await spy.close()
    assert.deepStrictEqual(await streamed, ["1", "2", "3", "4"])
    assert.include(
      await never,
      "The spy users was removed and had recorded only 1, so number 2 never comes.\nWhat has arrived:"
    )
  })
})

describe("a fault behind promises", () => {
  it("delays, answers with a status, drops, and resets in the middle of the body", async () => {
    const gateway = await start()
    await service(gateway, "users", "0123456789")
    const users = `${gateway.url}/users`
    await using all = await gateway.spy(Intercept.any())
    const slow = await gateway.fault(Intercept.any(), Intercept.delay("30 millis"), Intercept.once)
    assert.strictEqual(await ask(users), "200 0123456789")
    assert.isAtLeast(Duration.toMillis((await slow.awaitCall(1)).duration), 29)
    await gateway.fault(Intercept.any(), Intercept.failWith(503), Intercept.once)
    assert.match(await ask(users), /^503 /)
    const drop = await gateway.fault(Intercept.any(), Intercept.drop, Intercept.once)
    assert.instanceOf(await ask(users).catch((error) => error), TypeError)
    assert.strictEqual((await drop.awaitCall(1)).failure, "the fault dropped the connection")
    const reset = await gateway.fault(Intercept.any(), Intercept.resetInBody({ afterBytes: 4 }), Intercept.once)
    assert.instanceOf(await ask(users).catch((error) => error), TypeError)
    assert.strictEqual(Buffer.from((await reset.awaitCall(1)).response?.bytes ?? []).toString(), "0123")
    assert.strictEqual(await ask(users), "200 0123456789")
    assert.strictEqual(all.calls().length, 3)
  })
})

describe("a WebSocket behind promises", () => {
  it("is watched, unchanged, and dropped", async () => {
    const gateway = await start()
    await service(gateway, "chat")
    const spy = await gateway.spyWebSocket(Intercept.get("/chat/:room"))
    const client = await open(`${gateway.url}/chat/7`)
    assert.strictEqual(await client.next(), "welcome")
    client.send("hello")
    assert.strictEqual(await client.next(), "hello")
    assert.strictEqual((await spy.awaitMessage(3)).data, "hello")
    const streamed: Array<string> = []
    for await (const { data, from } of spy.messageStream) {
      streamed.push(`${from}: ${data}`)
      if (streamed.length === 3) break
    }
    assert.deepStrictEqual(streamed, ["service: welcome", "client: hello", "service: hello"])
    assert.strictEqual(spy.messages().length, 3)
    spy.drop()
    assert.strictEqual((await client.closed).code, 1006)
    const call = await spy.awaitCall(1)
    assert.deepStrictEqual([call.request.params.room, call.code, call.messages.length], ["7", 1006, 3])
  })

  it("is answered in place of the service; what one loop leaves, the next one reads", async () => {
    const gateway = await start()
    const chat = await gateway.webSocket(Intercept.get("/chat/:room"), async ({ close, messages, request, send }) => {
      send(`mocked ${request.params.room}`)
      for await (const message of messages) {
        send(`first ${message}`)
        break
      }
      for await (const message of messages) {
        send(`then ${message}`)
        if (message === "c") return close(4000, "enough")
      }
    })
    const client = await open(`${gateway.url}/chat/7`)
    for (const text of ["a", "b", "c"]) client.send(text)
    const answers = [await client.next(), await client.next(), await client.next(), await client.next()]
    assert.deepStrictEqual(answers, ["mocked 7", "first a", "then b", "then c"])
    assert.deepStrictEqual(await client.closed, { code: 4000, reason: "enough" })
    assert.strictEqual((await chat.awaitCall(1)).code, 4000)
  })

  it("whose handler rejects is closed with 1011 and the message", async () => {
    const gateway = await start()
    await gateway.webSocket(Intercept.get("/fails"), async () => Promise.reject(new Error("not today")))
    assert.deepStrictEqual(await (await open(`${gateway.url}/fails`)).closed, { code: 1011, reason: "not today" })
  })

  it("has its messages ended by the client's going, and is closed when the mock goes", async () => {
    const gateway = await start()
    const ended = event()
    const chat = await gateway.webSocket(Intercept.get("/chat"), async ({ messages, send }) => {
      send("mocked")
      for await (const _ of messages) {
      }
      ended.fire()
    })
    const client = await open(`${gateway.url}/chat`)
    await client.next()
    await chat.close()
    assert.deepStrictEqual(await client.closed, { code: 1001, reason: "the interceptor was removed" })
    await ended.fired
  })
})

const Api = HttpApi.make("api").add(Users).add(Health)

describe("a mock typed by an HttpApi, behind promises", () => {
  const clientOf = (url: string) =>
    Effect.runPromise(HttpApiClient.make(Api, { baseUrl: url }).pipe(Effect.provide(FetchHttpClient.layer)))
  const since = new Date("2024-02-29T00:00:00.000Z")
  const request = (id: number) => ({ path: { id }, urlParams: { tag: ["a"] }, headers: { "x-tenant": "acme" } })

  it("gets the decoded request; success, declared failure and own mistake arrive as such", async () => {
    const gateway = await start()
    const client = await clientOf(gateway.url)
    const find = await gateway.mockEndpoint(Api, "users", "find", async ({ path }) => {
      if (path.id === 8) throw new NoSuchUser({ id: path.id })
      if (path.id === 9) throw new Error("my mistake")
      return { id: path.id, name: "Ada", since }
    })
    assert.deepStrictEqual(await Effect.runPromise(client.users.find(request(7))), { id: 7, name: "Ada", since })
    assert.deepStrictEqual(
      await Effect.runPromise(Effect.flip(client.users.find(request(8)))),
      new NoSuchUser({ id: 8 })
    )
    const mistake = await ask(`${gateway.url}/users/9?tag=a`, { headers: { "x-tenant": "acme" } })
    assert.strictEqual(mistake, '500 {"error":"my mistake"}')
    assert.deepStrictEqual(
      find.calls().map(({ response }) => response?.status),
      [200, 404, 500]
    )
    await find.close()
    assert.match(await ask(`${gateway.url}/users/7?tag=a`), /^404 /)
  })

  it("answers a whole api by HttpApiBuilder's handlers, until it is closed", async () => {
    const gateway = await start()
    const Checks = HttpApi.make("checks").add(Health)
    const handlers = HttpApiBuilder.group(Checks, "health", (all) => all.handle("check", () => Effect.succeed("fine")))
    {
      await using checks = await gateway.mockApi(Checks, handlers, { api: "checks" })
      assert.strictEqual(await ask(`${await gateway.discover("checks")}/health`), '200 "fine"')
      assert.strictEqual(checks.endpoints.health.check.calls().length, 1)
    }
    assert.match(await ask(`${gateway.url}/health`), /^404 /)
  })
})

describe("verify behind promises", () => {
  const list = `Not called as often as expected (call it, remove it, or pass { optional: true }):
  - mock GET /users/:id: never called
Answered 404, since nothing matched (mock it, or register the service):
  - DELETE /users/7; nearest: mock GET /users/:id, but the method is DELETE, not GET`

  it("throws the readable list, and is content when nothing is left", async () => {
    const gateway = await start()
    gateway.verify()
    const users = await gateway.mock(Intercept.get("/users/:id"), () => ({}))
    await ask(`${gateway.url}/users/7`, { method: "DELETE" })
    const error = thrown(() => gateway.verify())
    assert.instanceOf(error, UnverifiedInterception)
    assert.strictEqual(error.message, list)
    assert.deepStrictEqual(gateway.unmatched(), [
      { method: "DELETE", path: "/users/7", nearest: "mock GET /users/:id, but the method is DELETE, not GET" }
    ])
    await users.close()
  })

  it("is done by a strict interception when it is closed, once, and it counts what was made by it alone", async () => {
    const gateway = await start()
    await gateway.mock(Intercept.get("/other"), () => ({}))
    await ask(`${gateway.url}/before`)
    {
      await using http = await gateway.strict()
      await http.mock(Intercept.get("/once"), () => ({}), Intercept.once)
      await ask(`${gateway.url}/once`)
    }
    const http = await gateway.strict()
    const users = await http.mock(Intercept.get("/users/:id"), () => ({}))
    await ask(`${gateway.url}/users/7`, { method: "DELETE" })
    await users.close()
    assert.strictEqual((await rejection(http.close())).message, list)
    await http.close()
    const late = await rejection(http.spy(Intercept.any()))
    assert.strictEqual(late.message, "spy() was called after the strict interception had been closed.")
  })

  it("says the test's own assertion first where both fail at the end of a block", async () => {
    const gateway = await start()
    const failing = async () => {
      await using http = await gateway.strict()
      await http.mock(Intercept.get("/never"), () => ({}))
      assert.deepStrictEqual({ a: 1 }, { a: 2 }, "the test's own")
    }
    const error = (await rejectionOf(failing())) as Error & { readonly actual: unknown; readonly suppressed: Error }
    assert.strictEqual(
      error.message,
      "the test's own: expected { a: 1 } to deeply equal { a: 2 }\n\nNot called as often as expected (call it, remove it, or pass { optional: true }):\n  - mock GET /never: never called"
    )
    assert.deepStrictEqual(error.actual, { a: 1 })
    assert.match(error.stack ?? "", /^AssertionError: the test's own[\s\S]*TestInterception\.test\.ts/)
    assert.strictEqual(error.suppressed.message, "the test's own: expected { a: 1 } to deeply equal { a: 2 }")
    // Whatever else fails twice stays what it was.
    const other = await rejectionOf(
      (async () => {
        await using _ = { [Symbol.asyncDispose]: async () => Promise.reject(new Error("first")) }
        throw new Error("second")
      })()
    )
    assert.strictEqual(other.message, "An error was suppressed during disposal")
  })

  it("takes the interceptors of a strict interception with it", async () => {
    const gateway = await start()
    await service(gateway, "users")
    const http = await gateway.strict()
    await http.mock(Intercept.any({ api: "users" }), () => "mock", { optional: true })
    await http.close()
    assert.strictEqual(await ask(`${gateway.url}/users`), "200 real")
  })
})

describe("a gateway that is closed", () => {
  it("ends what waits, and rejects later calls with that reason", async () => {
    const gateway = await start()
    const spy = await gateway.spy(Intercept.any())
    const waiting = rejectionOf(spy.awaitCall(1))
    let closed = false
    const first = gateway.close().then(() => {
      closed = true
    })
    await gateway.close()
    assert.isTrue(closed)
    await first
    assert.include((await waiting).message, "The spy ALL any path was removed and had recorded nothing")
    const late = [
      gateway.mock(Intercept.any(), () => {}),
      gateway.register([]),
      gateway.discover("users"),
      gateway.strict(),
      gateway.worker({ module: "nothing.js" })
    ]
    for (const error of await Promise.all(late.map(rejection))) {
      assert.instanceOf(error, ConnectionClosed)
      assert.match(
        error.message,
        /^(mock|register|discover|strict|worker)\(\) was called after the gateway had been closed\.$/
      )
    }
  })

  it("was never open where its port is in use: a real, tagged Error", async () => {
    const gateway = await start()
    assert.strictEqual((await rejection(TestGateway.start({ port: gateway.port })))._tag, "PortInUse")
  })
})

const rejectionOf = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => assert.fail("resolved"),
    (error) => error
  )
