/**
 * What tests that run at the same time on one gateway do with sessions: all at the same paths, each with a number that keeps
 * its answers apart from the others'.
 */
import { once } from "node:events"
import { assert } from "vitest"
import { WebSocket } from "ws"
import { Intercept, type TestGateway, type TestInterception } from "../../../layers/testing/index.js"
import * as Place from "./Place.js"

interface Test {
  readonly n: number
  readonly url: string
  readonly session: TestInterception.TestSession
  /** What the session's request is answered. */
  readonly text: (path: string, options?: Place.Asking) => Promise<string>
}

/** Runs in a session of its own, which is verified at its end; a request of another goes to the service meanwhile. */
const inSession =
  (test: (test: Test) => Promise<void>) =>
  async (n: number, gateway: TestGateway.TestGateway): Promise<void> => {
    await using session = await gateway.session()
    const { url } = gateway
    const text: Test["text"] = (path, options) =>
      Place.text(url + path, { ...options, headers: { ...session.headers, ...options?.headers } })
    await using other = await gateway.session()
    const asked = Place.text(`${url}/real/again`, { headers: other.headers })
    const [answer] = await Promise.all([asked, test({ n, url, session, text })])
    assert.deepStrictEqual([answer, other.calls().length], ["the real service", 1])
  }

const rejection = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => assert.fail("resolved"),
    (error) => error
  )

export const scenarios = {
  "mocks, and counts its own": inSession(async ({ n, session, text }) => {
    const mock = await session.mock(Intercept.get("/real/:id"), ({ params }) => `${params.id} of ${n}`)
    const answers = await Promise.all([1, 2, 3].map((id) => text(`/real/${id}`)))
    assert.deepStrictEqual(answers, [`"1 of ${n}"`, `"2 of ${n}"`, `"3 of ${n}"`])
    assert.deepStrictEqual([mock.calls().length, session.calls().length], [3, 3])
  }),
  "mocks once": inSession(async ({ n, session, text }) => {
    await session.mock(Intercept.get("/real/:id"), () => n, Intercept.once)
    const answers = await Promise.all([1, 2, 3].map(() => text("/real/7")))
    assert.deepStrictEqual(answers.sort(), [String(n), "the real service", "the real service"])
  }),
  "spies on its own": inSession(async ({ n, session, text }) => {
    const spy = await session.spy(Intercept.get("/real/:id"))
    await Promise.all([1, 2, 3].map((at) => text(`/real/${n}-${at}`)))
    const ids = spy.calls().map(({ request }) => request.params.id)
    assert.deepStrictEqual(ids.sort(), [`${n}-1`, `${n}-2`, `${n}-3`])
  }),
  "breaks its own": inSession(async ({ session, text }) => {
    await session.fault(Intercept.get("/real/*"), Intercept.drop, Intercept.once)
    await rejection(text("/real/x"))
    assert.strictEqual(await text("/real/x"), "the real service")
  }),
  "forwards and passes on": inSession(async ({ n, session, text }) => {
    await session.mock(Intercept.post("/real/:id", { body: { n } }), async ({ forward }) => {
      const response = await forward({ body: { echoed: n } })
      return response.text()
    })
    await session.mock(Intercept.get("/real/:id"), () => Intercept.pass, { optional: true })
    const json = { method: "POST", body: JSON.stringify({ n }), headers: { "content-type": "application/json" } }
    assert.strictEqual(await text("/real/7", json), JSON.stringify(`{"echoed":${n}}`))
    assert.strictEqual(await text("/real/7"), "the real service")
  }),
  "mocks an unregistered api": inSession(async ({ n, session, text }) => {
    await session.mock(Intercept.any({ api: "mail" }), () => `sent by ${n}`)
    assert.strictEqual(await text("/mail/to/ada"), `"sent by ${n}"`)
  }),
  "answers a WebSocket": inSession(async ({ n, session, url }) => {
    const chat = await session.webSocket(Intercept.get("/real/chat"), async ({ messages, send }) => {
      for await (const message of messages) {
        send(`${n} ${message}`)
        return
      }
    })
    const client = new WebSocket(`${url.replace("http:", "ws:")}/real/chat`, { headers: session.headers })
    await once(client, "open")
    const closed = once(client, "close")
    client.send("end")
    assert.strictEqual(String((await once(client, "message"))[0]), `${n} end`)
    await closed
    assert.strictEqual((await chat.awaitCall(1)).messages.length, 2)
  }),
  "waits for a request that isn't answered": inSession(async ({ n, session, text }) => {
    const never = await session.mock(Intercept.get("/real/:id"), Intercept.never)
    const waiting = text(`/real/${n}`).catch(() => "")
    assert.deepStrictEqual((await session.awaitRequest(Intercept.get("/real/:id"))).params, { id: String(n) })
    await never.close()
    await waiting
  }),
  "is told what it forgot, and nothing of the others": async (n: number, gateway: TestGateway.TestGateway) => {
    const session = await gateway.session()
    await session.mock(Intercept.get(`/forgotten/${n}`), () => n)
    await Place.text(`${gateway.url}/nowhere`, { headers: session.headers })
    assert.strictEqual(
      (await rejection(session.close())).message,
      `Not called as often as expected (call it, remove it, or pass { optional: true }):
  - mock GET /forgotten/${n}: never called
Answered 404, since nothing matched (mock it, or register the service):
  - GET /nowhere`
    )
  }
}
