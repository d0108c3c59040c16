import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Discovery, HttpInterception, Intercept, IPCClient, IPCServer } from "effect-ipc"
import { NodeIPCClient } from "effect-ipc/node"
import { GatewayTest } from "effect-ipc/testing"

const Hang = IPCClient.defineRequest<void, void>("hang")

const body = (url: string) => Effect.promise(() => fetch(url).then((response) => response.text()))

describe.each([1, 2])("suite %i", (n) => {
  layer(GatewayTest.layer())("its own gateway", (it) => {
    it.scoped("is on a port of its own", () =>
      Effect.gen(function* () {
        const { port } = yield* IPCServer
        const other = Context.get(yield* Layer.build(GatewayTest.layer()), IPCServer)
        assert.notStrictEqual(other.port, port)
      })
    )

    it.scoped("is where a mock answers, and where discover finds it", () =>
      Effect.gen(function* () {
        const http = yield* HttpInterception
        const discovery = yield* Discovery
        const users = yield* http.mock({ ...Intercept.get("/users/:id"), api: "users" }, Intercept.json({ n }))
        const url = yield* discovery.discover("users")
        assert.strictEqual(yield* body(`${url}/users/7`), JSON.stringify({ n }))
        assert.strictEqual((yield* users.calls).length, 1)
      })
    )

    it.scoped("has nothing left of the test before", () =>
      Effect.gen(function* () {
        const discovery = yield* Discovery
        assert.strictEqual((yield* Effect.flip(discovery.discover("users")))._tag, "ServiceNotRegistered")
      })
    )

    it.scoped("has its timeouts on the real clock, whatever the test's is", () =>
      Effect.gen(function* () {
        const server = yield* IPCServer
        const client = yield* NodeIPCClient.make({ url: server.url, runtimeId: "here" })
        yield* client.handle(Hang, () => Effect.never)
        const error = yield* Effect.flip(server.request("here", Hang, undefined, { timeout: "50 millis" }))
        assert.strictEqual(error._tag, "RequestTimeout")
      })
    )

    it.scoped("has its faults and its records on the real clock, too", () =>
      Effect.gen(function* () {
        const http = yield* HttpInterception
        const { url } = yield* IPCServer
        yield* http.mock(Intercept.get("/slow"), Intercept.text("late"))
        const fault = yield* http.fault(Intercept.get("/slow"), Intercept.delay("50 millis"))
        const before = yield* Effect.sync(() => Date.now())
        assert.strictEqual(yield* body(`${url}/slow`), "late")
        const { duration, startedAt } = yield* fault.awaitCall(1)
        assert.isAtLeast(startedAt, before)
        assert.isAtLeast(Duration.toMillis(duration), 49)
      })
    )
  })
})
