import { assert, describe } from "@effect/vitest"
import { connect } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import { live } from "../support/live.js"
import { machineMillis } from "../support/machineClock.js"
import { join, knows } from "../support/NatsParticipants.js"
import * as NatsServer from "../support/NatsServer.js"

/** A participant's, in milliseconds: a third of the lease. */
const interval = 333
const rounds = 4

/** What so many participants, who do nothing else, cost the server while each renews `rounds` times. */
const cost = (count: number) =>
  Effect.gen(function* () {
    const server = yield* NatsServer.start({ config: `http: "127.0.0.1:-1"` })
    const names = Array.from({ length: count }, (_, index) => `p${10 + index}`)
    const members = yield* Effect.forEach(names, (runtimeId) => join({ servers: server.url, runtimeId }), {
      concurrency: "unbounded"
    })
    for (const [index, { discovery }] of members.entries()) {
      yield* discovery.register({ api: "users", baseUrl: `http://10.0.0.${index + 1}:1`, pathPrefix: "/users" })
    }
    for (const { discovery } of members) {
      yield* knows(
        discovery,
        names.map((name) => `${name} users`)
      )
    }
    const other = yield* Effect.acquireRelease(
      Effect.promise(() => connect({ servers: server.url })),
      (open) => Effect.promise(() => open.close())
    )
    const messages = Effect.promise(async () => {
      await other.flush()
      const { in_msgs, out_msgs } = (await (await fetch(`${server.monitoring}/varz`)).json()) as {
        readonly in_msgs: number
        readonly out_msgs: number
      }
      return { in: in_msgs, out: out_msgs, at: machineMillis() }
    })
    const before = yield* messages
    const renewals = new Map<string, number>()
    yield* Effect.async<void>((resume) => {
      other.subscribe("$KV.effect-ipc-default.owner.>", {
        callback: (_, { subject }) => {
          renewals.set(subject, (renewals.get(subject) ?? 0) + 1)
          if (renewals.size === count && [...renewals.values()].every((times) => times >= rounds)) resume(Effect.void)
        }
      })
    })
    const after = yield* messages
    return {
      sent: after.in - before.in,
      told: after.out - before.out,
      renewals: [...renewals.values()].reduce((sum, times) => sum + times, 0),
      intervals: (after.at - before.at) / interval
    }
  })

describe("Participants on NATS that do nothing", () => {
  live(
    "send a message each an interval, however many they are, of which each of them is told once",
    () =>
      Effect.gen(function* () {
        for (const count of [4, 12]) {
          const { intervals, renewals, sent, told } = yield* Effect.scoped(cost(count))
          // The leader renews its own record as often.
          assert.isAtMost(sent, (count + 1) * (intervals + 1))
          assert.isAtLeast(sent, renewals)
          // Each write is acknowledged, and told to each of them and to the one who counts; a watch has a heartbeat, too.
          assert.isAtMost(told, sent * (count + 2) + count * (intervals + 1))
          assert.isAtLeast(told, renewals * count)
        }
      }),
    60_000
  )
})
