import { readFileSync } from "node:fs"
import { Intercept, TestGateway } from "effect-ipc/testing"
import { assert, describe, it } from "vitest"
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
