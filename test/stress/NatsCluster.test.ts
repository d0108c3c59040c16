import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { becomes } from "../support/discovery.js"
import { live } from "../support/live.js"
import { join, knows } from "../support/NatsParticipants.js"
import * as NatsServer from "../support/NatsServer.js"

const users = { api: "users", pathPrefix: "/users" }
const orders = { api: "orders", pathPrefix: "/orders" }

describe("Participants on a cluster of three", () => {
  live(
    "go on when a node is killed: one leads, and all is registered with nobody's help",
    () =>
      Effect.gen(function* () {
        const nodes = yield* NatsServer.cluster
        const servers = nodes.map(({ url }) => url)
        // Until the nodes have chosen one for the bucket.
        const joined = (runtimeId: string) =>
          Effect.retry(join({ servers, replicas: 3, runtimeId, lease: "2 seconds" }), {
            schedule: Schedule.spaced("200 millis"),
            while: ({ reason }) => reason === "Unavailable" || reason === "TooFewReplicas" || reason === "NoJetStream"
          })
        const members = yield* Effect.forEach(["a", "b", "c"], joined)
        for (const [index, { discovery }] of members.entries()) {
          yield* discovery.register({ ...users, baseUrl: `http://10.0.0.${index}:1` }, { timeout: "20 seconds" })
        }
        const all = ["a users", "b users", "c users"]
        for (const { discovery } of members) yield* knows(discovery, all)
        const [first, ...others] = nodes
        assert.lengthOf(others, 2)
        yield* first?.kill ?? Effect.void
        for (const { discovery } of members) {
          yield* discovery.register({ ...orders, baseUrl: "http://10.0.1.1:1" }, { timeout: "20 seconds" })
        }
        for (const { discovery } of members) {
          yield* knows(discovery, [...members.map((_, index) => `${"abc"[index]} orders`), ...all].sort())
        }
        yield* Effect.raceAll(members.map(({ election }) => becomes(election, "leader")))
      }),
    60_000
  )
})

describe("Participants whose server has lost its store", () => {
  live(
    "make the bucket anew: all register again, and one leads, with nobody's help",
    () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.start()
        const [a, b] = [
          yield* join({ servers: server.url, runtimeId: "a" }),
          yield* join({ servers: server.url, runtimeId: "b" })
        ]
        yield* a.discovery.register({ ...users, baseUrl: "http://10.0.0.1:1" })
        // The revisions of the next bucket are lower than this one's.
        for (let round = 0; round < 20; round++) {
          yield* Effect.scoped(b.discovery.register({ ...orders, baseUrl: "http://10.0.0.2:1" }))
        }
        yield* b.discovery.register({ ...orders, baseUrl: "http://10.0.0.2:1" })
        for (let round = 0; round < 2; round++) {
          yield* server.kill
          yield* becomes(a.election, "electing")
          yield* becomes(b.election, "electing")
          yield* server.wipe
          yield* server.restart
          yield* Effect.race(becomes(a.election, "leader"), becomes(b.election, "leader"))
          const c = yield* join({ servers: server.url, runtimeId: "c" })
          for (const { discovery } of [a, b, c]) yield* knows(discovery, ["a users", "b orders"])
          yield* c.leave
        }
      }),
    60_000
  )
})
