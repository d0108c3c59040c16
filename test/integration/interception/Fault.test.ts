import * as http from "node:http"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import * as Intercept from "../../../src/Intercept.js"
import { ask, connect, event } from "../http/support.js"
import { live, says, service, statusOf, suite, text } from "./support.js"

const bytesUntilBroken = (url: string) =>
  Effect.async<{ readonly received: string; readonly code: string }>((resume) => {
    let received = ""
    const failed = (error: NodeJS.ErrnoException) => resume(Effect.succeed({ received, code: error.code ?? "" }))
    const request = http.get(url, { agent: false }, (response) => {
      response.on("data", (chunk: Buffer) => {
        received += chunk
      })
      response.on("error", failed)
      response.on("end", () => resume(Effect.succeed({ received, code: "none" })))
    })
    request.on("error", failed)
  })

describe("a fault", () => {
  live("answers with a status, once", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "users", says("real"))
      const fault = yield* gateway.http.fault(Intercept.any({ api: "users" }), Intercept.failWith(503), Intercept.once)
      const answer = yield* ask(`${gateway.url}/users`, { method: "POST", body: "x" })
      assert.deepStrictEqual(
        [answer.status, answer.text],
        [503, '{"error":"By the interceptor Status of ALL any path of users."}']
      )
      assert.strictEqual(yield* text(`${gateway.url}/users`), "real")
      assert.strictEqual((yield* fault.awaitCall(1)).response?.status, 503)
    })
  )

  live("drops the connection", () =>
    Effect.gen(function* () {
      const { http, port } = yield* suite()
      const fault = yield* http.fault(Intercept.get("/x"), Intercept.drop)
      const client = yield* connect(port)
      client.socket.write("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* client.closed
      assert.strictEqual(client.received, "")
      const call = yield* fault.awaitCall(1)
      assert.deepStrictEqual([call.response, call.failure], [undefined, "the fault dropped the connection"])
    })
  )

  live("resets the connection in the middle of the body, of a service or of a mock", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const { http, url } = gateway
      yield* service(gateway, "users", says("0123456789"))
      yield* http.mock(Intercept.get("/mock"), Intercept.text("0123456789"))
      const seen = yield* http.spy(Intercept.any())
      const fault = yield* http.fault(Intercept.any(), Intercept.resetInBody({ afterBytes: 4 }))
      assert.deepStrictEqual(yield* bytesUntilBroken(`${url}/users`), { received: "0123", code: "ECONNRESET" })
      assert.deepStrictEqual(yield* bytesUntilBroken(`${url}/mock`), { received: "0123", code: "ECONNRESET" })
      const call = yield* fault.awaitCall(2)
      assert.strictEqual(call.failure, "the fault reset the connection after 4 bytes of the body")
      assert.deepStrictEqual(
        [call.response?.status, Buffer.from(call.response?.bytes ?? []).toString(), call.response?.truncated],
        [200, "0123", true]
      )
      // Beneath the fault the service's answer is whole.
      assert.deepStrictEqual((yield* seen.awaitCall(1)).response?.body, Buffer.from("0123456789"))
    })
  )

  live("that resets after more than there is lets a shorter body pass, and after nothing sends the head", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "users", says("short"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* gateway.http.fault(Intercept.any(), Intercept.resetInBody({ afterBytes: 6 }))
          assert.strictEqual(yield* text(`${gateway.url}/users`), "short")
        })
      )
      yield* gateway.http.fault(Intercept.any(), Intercept.resetInBody({ afterBytes: 0 }))
      assert.deepStrictEqual(yield* bytesUntilBroken(`${gateway.url}/users`), { received: "", code: "ECONNRESET" })
    })
  )

  live("delays by the clock of its gateway", () =>
    Effect.gen(function* () {
      const arrived = event()
      yield* Effect.gen(function* () {
        const gateway = yield* suite()
        yield* service(gateway, "users", says("real"))
        const fault = yield* gateway.http.fault(Intercept.any(), Intercept.delay("1 hour"))
        yield* gateway.http.spy({ headers: { "x-arrives": "1" } })
        yield* gateway.http.mock(Intercept.get("/arrived"), () => Effect.sync(() => arrived.fire()), Intercept.times(1))
        const slow = yield* Effect.fork(text(`${gateway.url}/users`))
        // Its turn has come once a later request, on the same gateway, was answered.
        yield* text(`${gateway.url}/arrived`)
        yield* arrived.wait
        assert.deepStrictEqual(yield* fault.calls, [])
        // The request may still be on its way: whenever it comes to sleep, time is passing.
        yield* Effect.fork(Effect.forever(Effect.zipRight(TestClock.adjust("30 minutes"), Effect.yieldNow())))
        assert.strictEqual(yield* Fiber.join(slow), "real")
        const call = yield* fault.awaitCall(1)
        assert.isAtLeast(Number(call.duration.value._tag === "Millis" ? call.duration.value.millis : 0), 3_600_000)
      }).pipe(Effect.scoped, Effect.provide(TestContext.TestContext))
    })
  )

  live("that goes while it delays lets nothing through any more", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      let asked = 0
      yield* service(gateway, "users", (_, response) => {
        asked++
        response.end("real")
      })
      const reached = event()
      const answer = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* gateway.http.fault(Intercept.get("/users"), Intercept.delay("1 hour"))
          yield* gateway.http.spy({
            path: "/users",
            body: () => {
              reached.fire()
              return true
            }
          })
          const slow = yield* Effect.forkDaemon(statusOf(`${gateway.url}/users`))
          yield* reached.wait
          return slow
        })
      )
      assert.strictEqual(yield* Fiber.join(answer), 503)
      assert.strictEqual(asked, 0)
      assert.strictEqual(yield* text(`${gateway.url}/users`), "real")
    })
  )
})
