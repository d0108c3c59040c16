/** What a suite does in each pool; at the end it tells the test that started it which processes there are, and waits. */
import { afterEach, expect, it, vi } from "vitest"
import { Intercept, Requests, TestGateway } from "../processes/testing-entry.js"

afterEach(() => {
  vi.useRealTimers()
})

it("mocks, watches, and disposes of what it made at the end of its block", async () => {
  await using gateway = await TestGateway.start()
  await using users = await gateway.mock(Intercept.post("/users", { body: { name: "Ada" } }), async ({ body }) => ({
    body
  }))
  const user = { method: "POST", body: '{"name":"Ada","id":7}', headers: { "content-type": "application/json" } }
  const response = await fetch(`${gateway.url}/users`, user)
  expect(await response.json()).toEqual({ body: { name: "Ada", id: 7 } })
  expect(users.calls()[0]?.request.body).toEqual({ name: "Ada", id: 7 })
})

it("delays, cuts and commands workers in real time, though timers are faked", async () => {
  vi.useFakeTimers()
  await using gateway = await TestGateway.start()
  await using worker = await gateway.worker({ module: process.env.WORKER as string, stdio: "capture" })
  await gateway.mock(Intercept.get("/text"), Intercept.text("0123456789"))
  const ask = () => fetch(`${gateway.url}/text`).then((response) => response.text())
  await gateway.fault(Intercept.any(), Intercept.delay("20 millis"), Intercept.once)
  expect(await ask()).toBe("0123456789")
  const reset = await gateway.fault(Intercept.any(), Intercept.resetInBody({ afterBytes: 4 }), Intercept.once)
  await expect(ask()).rejects.toThrow()
  expect(new TextDecoder().decode((await reset.awaitCall(1)).response?.bytes)).toBe("0123")
  // Nor does advancing them end what waits in real time.
  const setting = worker.request(Requests.SetLimit, 5)
  vi.advanceTimersByTime(3_600_000)
  await setting
  expect(await worker.request(Requests.GetLimit)).toBe(5)
})

it("waits to be killed", async () => {
  const gateway = await TestGateway.start()
  const worker = await gateway.worker({ module: process.env.WORKER as string })
  await gateway.worker({ command: ["perl", process.env.SERVICE as string], api: "service", stdio: "capture" })
  const [server, helper] = (await (await fetch(`${gateway.url}/service`)).text()).split(" ")
  await fetch(`${process.env.REPORT}?pids=${process.pid},${worker.pid()},${server},${helper}`)
  await new Promise(() => {})
})
