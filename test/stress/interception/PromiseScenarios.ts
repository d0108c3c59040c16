/**
 * What a test without Effect does with interceptors, each with a number that keeps its answers apart from the others'.
 */
import { once } from "node:events"
import { assert } from "vitest"
import { WebSocket } from "ws"
import { Intercept, type TestGateway } from "../../../layers/testing/index.js"
import { ask, text } from "./Place.js"

type Scenario = (n: number, gateway: TestGateway.TestGateway) => Promise<void>

const rejects = (promise: Promise<unknown>) =>
  promise.then(
    () => assert.fail("resolved"),
    () => {}
  )

export const scenarios: Readonly<Record<string, Scenario>> = {
  "mocks, and gives back": async (n, gateway) => {
    {
      await using mock = await gateway.mock(Intercept.get("/real/:id"), async ({ params }) => ({ n, id: params.id }))
      assert.strictEqual(await text(`${gateway.url}/real/7`), `{"n":${n},"id":"7"}`)
      assert.strictEqual(mock.calls().length, 1)
    }
    assert.strictEqual(await text(`${gateway.url}/real/7`), "the real service")
  },
  "mocks once": async (n, gateway) => {
    await using _ = await gateway.mock(Intercept.get("/real/:id"), () => n, Intercept.once)
    const answers = await Promise.all([1, 2, 3].map((id) => text(`${gateway.url}/real/${id}`)))
    assert.deepStrictEqual(answers.sort(), [String(n), "the real service", "the real service"])
  },
  "removes mocks in another order": async (n, gateway) => {
    const below = await gateway.mock(Intercept.any({ path: "/real/*" }), () => `below ${n}`)
    const above = await gateway.mock(Intercept.any({ path: "/real/*" }), () => `above ${n}`)
    assert.strictEqual(await text(`${gateway.url}/real/7`), `"above ${n}"`)
    await (n % 2 === 0 ? below : above).close()
    assert.strictEqual(await text(`${gateway.url}/real/7`), n % 2 === 0 ? `"above ${n}"` : `"below ${n}"`)
    await Promise.all([below.close(), above.close()])
  },
  "spies on the real service": async (n, gateway) => {
    await using spy = await gateway.spy(Intercept.get("/real/:id"))
    await Promise.all([1, 2, 3].map((id) => text(`${gateway.url}/real/${n}-${id}`)))
    await spy.awaitCall(3)
    const ids: Array<string | undefined> = []
    for await (const { request } of spy.stream) if (ids.push(request.params.id) === 3) break
    assert.deepStrictEqual(ids.sort(), [`${n}-1`, `${n}-2`, `${n}-3`])
  },
  "breaks what passes": async (_, gateway) => {
    await using drop = await gateway.fault(Intercept.get("/real/*"), Intercept.drop, Intercept.once)
    await using _status = await gateway.fault(Intercept.get("/real/*"), Intercept.failWith(503), Intercept.once)
    assert.strictEqual((await ask(`${gateway.url}/real/x`)).status, 503)
    await rejects(ask(`${gateway.url}/real/x`))
    await drop.awaitCall(1)
  },
  "mocks an unregistered api": async (n, gateway) => {
    const api = `mail-${n}`
    await using _ = await gateway.mock(Intercept.any({ api }), Intercept.text("sent"))
    assert.strictEqual(await text(`${await gateway.discover(api)}/${api}/to/ada`), "sent")
  },
  "answers a WebSocket": async (n, gateway) => {
    await using chat = await gateway.webSocket(Intercept.get("/real/chat"), async ({ messages, send }) => {
      for await (const message of messages) {
        send(`${n} ${message}`)
        if (message === "end") return
      }
    })
    const client = new WebSocket(`${gateway.url.replace("http:", "ws:")}/real/chat`)
    await once(client, "open")
    const closed = once(client, "close")
    client.send("end")
    assert.strictEqual(String((await once(client, "message"))[0]), `${n} end`)
    assert.strictEqual((await closed)[0], 1000)
    assert.strictEqual((await chat.awaitCall(1)).messages.length, 2)
  },
  "throws in mid-request": async (n, gateway) => {
    let arrive = () => {}
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve
    })
    let hanging: ReturnType<typeof ask> | undefined
    const test = async () => {
      await using _ = await gateway.mock(Intercept.any({ api: "real" }), () => {
        arrive()
        return new Promise(() => {})
      })
      hanging = ask(`${gateway.url}/real/${n}`)
      await arrived
      throw new Error("the test's own")
    }
    await rejects(test())
    assert.strictEqual((await hanging)?.status, 503)
  },
  "is strict, and forgets nothing": async (n, gateway) => {
    await using http = await gateway.strict()
    await http.mock(Intercept.get(`/real/${n}`), () => n)
    assert.strictEqual(await text(`${gateway.url}/real/${n}`), String(n))
  },
  "is told what it forgot": async (n, gateway) => {
    const http = await gateway.strict()
    await http.mock(Intercept.get(`/real/${n}`), () => n)
    await rejects(http.close())
  }
}
