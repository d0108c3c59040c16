import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Live from "../support/discovery.js"
import { live } from "../support/live.js"
import { clockWithoutWaiting } from "../support/processor.js"

describe("Participants", () => {
  live(
    "that start at the same instant, ninety times: one leads, the other follows",
    () =>
      Effect.gen(function* () {
        const now = clockWithoutWaiting()
        let slowest = 0
        for (let round = 0; round < 90; round++) {
          const port = yield* Live.freePort
          const since = now()
          const roles = yield* Effect.scoped(
            Effect.gen(function* () {
              const both = yield* Effect.all([Live.participant({ port }), Live.participant({ port })], {
                concurrency: "unbounded"
              })
              slowest = Math.max(slowest, now() - since)
              return yield* Effect.forEach(both, ({ election }) => election.role)
            })
          )
          assert.sameMembers(roles, ["leader", "follower"])
        }
        assert.isBelow(slowest, 1000)
      }),
    60_000
  )

  live(
    "that start at the same instant in processes of their own, ten times: one leads, the other follows",
    () =>
      Effect.gen(function* () {
        const both = yield* Effect.all([Live.process_, Live.process_], { concurrency: "unbounded" })
        const all = <A, E>(use: (child: (typeof both)[number], i: number) => Effect.Effect<A, E>) =>
          Effect.all(both.map(use), { concurrency: "unbounded" })
        const now = clockWithoutWaiting(...both.map(({ pid }) => pid))
        const millis: Array<number> = []
        for (let round = 0; round < 10; round++) {
          const port = yield* Live.freePort
          const since = now()
          const roles = yield* all((child, i) =>
            child.ask(`join ${port} ${JSON.stringify({ runtimeId: `p${i}` })}`, "role")
          )
          millis.push(now() - since)
          assert.sameMembers(roles, ["leader", "follower"])
          yield* all((child) => child.ask("leave", "left"))
        }
        assert.isBelow(Math.max(...millis), 1000)
      }),
    60_000
  )

  live(
    "of ten processes, fifteen in each, that start at the same instant all join: one leads, all are reached",
    () =>
      Effect.gen(function* () {
        const processes = yield* Effect.all(Array(10).fill(Live.process_) as Array<typeof Live.process_>, {
          concurrency: "unbounded"
        })
        const port = yield* Live.freePort
        const roles = yield* Effect.forEach(processes, (child) => child.ask(`joinAll ${port} 15`, "are"), {
          concurrency: "unbounded"
        })
        const all = roles.join().split(",").sort()
        assert.deepStrictEqual(all, [...Array<string>(149).fill("follower"), "leader"])
        const { discovery } = yield* Live.participant({ port })
        assert.strictEqual((yield* discovery.routes).length, 150)
        for (const { pid } of processes) {
          assert.strictEqual(yield* Live.get(port, `/${pid}-14`), `200 ${pid}-14`)
        }
      }),
    120_000
  )
})
