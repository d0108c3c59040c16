import { assert, describe } from "@effect/vitest"
import { connect } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { live } from "../support/live.js"
import * as NatsRelay from "../support/NatsRelay.js"
import * as NatsServer from "../support/NatsServer.js"
import { calling, Echo, Never, serving } from "../support/NatsUsers.js"

describe("On NATS", () => {
  live(
    "a participant that reads too slowly is disconnected by the server; what is in flight ends, and it comes back",
    () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.start({
          config: `http: "127.0.0.1:-1"\nmax_payload: 65536\nmax_pending: 131072`
        })
        const relay = yield* NatsRelay.start(server.url)
        yield* serving(relay.url, { heartbeat: "200 millis" })
        const users = yield* calling(server.url, "200 millis")
        yield* users.request(Echo, "1")
        const other = yield* Effect.acquireRelease(
          Effect.promise(() => connect({ servers: server.url })),
          (open) => Effect.promise(() => open.close())
        )
        const { id } = yield* Effect.promise(async () =>
          (await other.request("$SRV.PING")).json<{ readonly id: string }>()
        )
        const pending = yield* Effect.fork(Effect.flip(users.request(Never, undefined, { timeout: "15 seconds" })))
        yield* users.request(Echo, "2")
        const junk = new Uint8Array(60_000)
        // More than the system keeps for a connection. The participant may have noticed before that it gets no answers, and have
        // connected again.
        const slowConsumers = Effect.zipRight(
          relay.hold,
          Effect.promise(async () => {
            for (let sent = 0; sent < 192; sent++) other.publish(`effect-ipc.default.at.${id}`, junk)
            await other.flush()
            const answer = await fetch(`${server.monitoring}/varz`)
            return ((await answer.json()) as { readonly slow_consumers: number }).slow_consumers
          })
        )
        yield* Effect.repeat(slowConsumers, { until: (count) => count > 0, schedule: Schedule.forever })
        assert.strictEqual((yield* Fiber.join(pending))._tag, "ConnectionClosed")
        yield* relay.release
        assert.strictEqual(yield* users.request(Echo, "3", { idempotent: true, timeout: "15 seconds" }), "3")
      }),
    20_000
  )
})
