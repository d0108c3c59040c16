/** For Node's own runner: `node --import tsx --test examples/testing/node-test.ts`. */
import assert from "node:assert/strict"
import { after, afterEach, beforeEach, test } from "node:test"
import { Intercept, TestGateway, type TestInterception } from "effect-ipc/testing"

// #region test
const gateway = await TestGateway.start()
after(() => gateway.close())
await gateway.worker({ module: new URL("./users.ts", import.meta.url), execArgv: ["--import", "tsx"] })

let http: TestInterception.StrictInterception
beforeEach(async () => {
  http = await gateway.strict()
})
afterEach(() => http.close())

const nameOf = async (id: number): Promise<string> => {
  const response = await fetch(`${gateway.url}/users/${id}`)
  const user = (await response.json()) as { readonly name: string }
  return user.name
}

test("a user has a name", async () => {
  const users = await http.spy(Intercept.get("/users/:id"))
  assert.equal(await nameOf(7), "Ada")
  assert.deepEqual(
    users.calls().map(({ request }) => request.path),
    ["/users/7"]
  )
})

test("a mocked user has another, once", async () => {
  await http.mock(Intercept.get("/users/:id"), async () => ({ name: "Grace" }), Intercept.once)
  assert.equal(await nameOf(7), "Grace")
  assert.equal(await nameOf(7), "Ada")
})
// #endregion
