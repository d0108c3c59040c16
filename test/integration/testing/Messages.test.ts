import { readFileSync } from "node:fs"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { GatewayTest, Intercept, MemoryIPC, TestGateway, WorkerClient } from "effect-ipc/testing"
import { assert, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { Recording } from "../../../layers/interception/Recording.js"
import { rejection } from "../promise/support.js"
import * as Requests from "./requests.js"
import { path } from "./support.js"

const page = readFileSync(new URL("../../../docs/testing.md", import.meta.url), "utf8")

const assertShown = (message: string) => assert.include(page, `\n\`\`\`text\n${message}\n\`\`\`\n`)

describe("the page on testing shows, as it is printed,", () => {
  it("what a test forgot", async () => {
    await using gateway = await TestGateway.start()
    const http = await gateway.strict()
    await http.mock(Intercept.get("/users/:id"), () => ({}))
    await http.mock(Intercept.post("/orders", { body: { item: "book" } }), () => ({}), Intercept.times(2))
    const order = { method: "POST", body: '{"item":"book"}', headers: { "content-type": "application/json" } }
    await fetch(`${gateway.url}/orders`, order)
    await fetch(`${gateway.url}/users/7`)
    await fetch(`${gateway.url}/users/7`, { method: "DELETE" })
    assertShown((await rejection(http.close())).message)
  })

  it("what a request is answered that nothing matched", async () => {
    await using gateway = await TestGateway.start()
    await gateway.mock(Intercept.get("/users/:id"), () => ({}))
    const response = await fetch(`${gateway.url}/users/7`, { method: "DELETE" })
    const { error } = (await response.json()) as { readonly error: string }
    assertShown(error)
  })

  it("how a worker died", async () => {
    await using gateway = await TestGateway.start()
    const module = path("worker-effect.ts")
    const orders = await gateway.worker({ module, runtimeId: "orders", stdio: "capture" })
    const falling = orders.request(Requests.Fall, { code: 1, text: "Error: the database is gone\n" })
    const { message } = await rejection(falling)
    // The names are the tests' own.
    assertShown(message.replace(module, "/app/test/orders.ts").replace("worker/fall", "config/setLimit"))
  })

  it("which requests didn't carry a session's trace", async () => {
    await using gateway = await TestGateway.start()
    const session = await gateway.session()
    await session.mock(Intercept.get("/users/:id"), () => ({}), { optional: true })
    await fetch(`${gateway.url}/users/7`)
    assertShown((await rejection(session.close())).message)
  })
})

describe("a test is told", () => {
  it("why a delayed request was answered 503, and why a forwarded one had no answer", async () => {
    await using gateway = await TestGateway.start()
    const slow = await gateway.fault(Intercept.get("/slow"), Intercept.delay("1 hour"))
    const waiting = fetch(`${gateway.url}/slow`)
    await gateway.awaitRequest(Intercept.get("/slow"))
    await slow.close()
    expect(await (await waiting).json()).toMatchInlineSnapshot(`
      {
        "error": "The interceptor Delay of GET /slow has just been removed. Keep it until the requests that it takes are answered.",
      }
    `)
    await gateway.fault(Intercept.get("/cut"), Intercept.drop)
    const mock = await gateway.mock(Intercept.get("/cut"), ({ forward }) => forward())
    await fetch(`${gateway.url}/cut`)
    expect((await mock.awaitCall(1)).failure).toMatchInlineSnapshot(
      `"the handler failed: The forwarded request got no answer: other side closed. Did the service, or a fault beneath the mock, break the connection?"`
    )
  })

  it("that what it waits for is no longer kept", async () => {
    const recording = new Recording<number>("The spy GET /a", "recorded", Effect.succeed(""))
    for (let item = 0; item <= 110_000; item++) recording.add(item)
    const missed = await Effect.runPromise(Effect.flip(Effect.sandbox(recording.awaitNth("awaitCall")(1))))
    expect((Cause.squash(missed) as Error).message).toMatchInlineSnapshot(
      `"The spy GET /a: number 1 was dropped, as too many followed it. Await it sooner, or call reset."`
    )
  })
})

describe("plain JavaScript is told at once", () => {
  const told = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => assert.fail("it is taken"),
      (error: Error) => error.message
    )
  const thrown = (call: () => unknown) => told(Promise.resolve().then(call))

  it("what a forwarded request may be changed by", async () => {
    await using gateway = await TestGateway.start()
    const messages: Array<string> = []
    const wrong = [
      7,
      { pth: "/a" },
      { path: 7 },
      { headers: "a" },
      { headers: { a: {} } },
      { headers: { "x a": "1" } },
      { method: 7 },
      { method: "G T" },
      { body: 1n },
      { body: () => 1 }
    ]
    await gateway.mock(Intercept.get("/a"), async ({ forward }) => {
      for (const changes of wrong) messages.push(await told(forward(changes as never)))
    })
    assert.strictEqual((await fetch(`${gateway.url}/a`)).status, 200)
    expect(messages).toMatchInlineSnapshot(`
      [
        "It can't be forwarded: what it is changed by is an object of method, path, headers, body, not a number.",
        "It can't be forwarded: what it is changed by has no "pth". Did you mean "path"? It takes method, path, headers, body.",
        "It can't be forwarded: the path of a forwarded request begins with a slash, such as /users/7; not 7.",
        "It can't be forwarded: its headers are an object of names and values, not a string.",
        "It can't be forwarded: its header a is text, not an object.",
        "It can't be forwarded: "x a" is no name of a header.",
        "It can't be forwarded: its method is a string like "GET", not 7.",
        "It can't be forwarded: its method is a string like "GET", not "G T".",
        "It can't be forwarded: its body is text, bytes or a value that JSON has: Do not know how to serialize a BigInt.",
        "It can't be forwarded: its body is text, bytes or a value that JSON has, not a function.",
      ]
    `)
  })

  it("what a gateway, a session and a worker take", async () => {
    await using gateway = await TestGateway.start()
    await using session = await gateway.session({ strict: false })
    const start = (options: unknown) => told(TestGateway.start(options as never))
    const messages = await Promise.all([
      start(7).then((message) => message.split(", ")[0]),
      start({ cors: "yes" }),
      start({ maxRecordedBytes: "1 MiB" }),
      start({ heartbeat: "soon" }),
      thrown(() => GatewayTest.layer({ prot: 1 } as never)).then((message) => message.split(" They")[0]),
      thrown(() => MemoryIPC.layer({ runtimeid: "a" } as never)),
      thrown(() => gateway.handle(undefined as never, () => 1)),
      thrown(() => gateway.handle(Requests.SetLimit as never, undefined as never)),
      told(gateway.discover(undefined as never)),
      told(gateway.instances(7 as never)),
      thrown(() => session.run(undefined as never)),
      told(WorkerClient.connect("setup" as never))
    ])
    expect(messages).toMatchInlineSnapshot(`
      [
        "TestGateway.start: its options are an object of port",
        "TestGateway.start: cors is true or false, not a string.",
        "TestGateway.start: maxRecordedBytes is a number of bytes, a whole one from 0, not "1 MiB".",
        "TestGateway.start: heartbeat is a duration, such as "20 millis" or a number of milliseconds, not "soon".",
        "GatewayTest.layer: its options have no "prot". Did you mean "port"?",
        "MemoryIPC.layer: its options have no "runtimeid". Did you mean "runtimeId"? They take runtimeId, connectTimeout, reconnect, requestTimeout, heartbeat, highWaterMark, maxHandlersInFlight, maxFrameBytes.",
        "handle: its request is what defineRequest("name") gives, not undefined.",
        "handle: its handler is a function, not undefined.",
        "discover: its api is a string, not undefined.",
        "instances: its api is a string, not a number.",
        "run: its argument is a function, not undefined.",
        "WorkerClient.connect: its setup is a function, not a string.",
      ]
    `)
  })

  it("what a WebSocket sends and closes with", async () => {
    await using gateway = await TestGateway.start()
    const messages: Array<string> = []
    const chat = await gateway.webSocket(Intercept.get("/chat"), async ({ close, send }) => {
      messages.push(await told(send(undefined as never)))
      messages.push(await told(send({ text: "hello" } as never)))
      messages.push(await thrown(() => close("bye" as never)))
      messages.push(await thrown(() => close(1006)))
      messages.push(await thrown(() => close(1000, "x".repeat(124))))
    })
    new WebSocket(`${gateway.url.replace("http", "ws")}/chat`)
    await chat.awaitCall(1)
    expect(messages).toMatchInlineSnapshot(`
      [
        "send: a message is a string or a Uint8Array, not undefined.",
        "send: a message is a string or a Uint8Array, not an object.",
        "close: its code is 1000, another that may be sent, or one from 3000 to 4999, not "bye".",
        "close: its code is 1000, another that may be sent, or one from 3000 to 4999, not 1006.",
        "close: its reason is a string of at most 123 bytes, not a longer one.",
      ]
    `)
  })
})
