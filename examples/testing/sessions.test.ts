import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { Intercept, TestGateway } from "effect-ipc/testing"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

describe("greetings", () => {
  let gateway: TestGateway.TestGateway
  let server: http.Server

  beforeAll(async () => {
    gateway = await TestGateway.start()
    server = http.createServer((request, response) => {
      greet(gateway.url, request).then(
        (greeting) => response.end(greeting),
        () => response.destroy()
      )
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    await gateway.register({ api: "greetings", baseUrl: `http://127.0.0.1:${port}`, pathPrefix: "/greetings" })
  })
  afterAll(async () => {
    await gateway.close()
    server.close()
    server.closeAllConnections()
  })

  // #region session
  describe.concurrent("of many at the same time", () => {
    for (const name of ["Ada", "Grace", "Edsger"]) {
      it(`greet ${name}`, async () => {
        await using session = await gateway.session()
        await session.mock(Intercept.get("/users/7"), Intercept.json({ name }))
        const response = await fetch(`${gateway.url}/greetings/7`, { headers: session.headers })
        assert.strictEqual(await response.text(), `Hello, ${name}!`)
      })
    }
  })
  // #endregion

  // #region javascript
  it("greet Barbara", async ({ onTestFinished }) => {
    const session = await gateway.session()
    onTestFinished(() => session.close())
    await session.mock(Intercept.get("/users/7"), Intercept.json({ name: "Barbara" }))
    const response = await fetch(`${gateway.url}/greetings/7`, { headers: session.headers })
    assert.strictEqual(await response.text(), "Hello, Barbara!")
  })
  // #endregion
})

// #region passing-on
/** A service without any tracing passes the headers of the request that it answers on to those that it makes. */
const greet = async (gateway: string, { headers }: http.IncomingMessage): Promise<string> => {
  const { baggage = "", traceparent = "" } = headers as Record<string, string | undefined>
  const user = await fetch(`${gateway}/users/7`, { headers: { traceparent, baggage } })
  const { name } = (await user.json()) as { readonly name: string }
  return `Hello, ${name}!`
}
// #endregion
