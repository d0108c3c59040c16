import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { live } from "../support/live.js"
import * as NatsServer from "../support/NatsServer.js"
import { observe } from "../support/NatsTerms.js"
import { program } from "../support/program.js"

describe("Leaders on NATS in processes of their own", () => {
  live(
    "never lead at once when one is killed or cut off, and a store refuses what one writes that was stopped past its lease",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.start()
        const leader = program("test/support/processes/nats-leader.ts")
        const seen = yield* Effect.promise(() =>
          observe(Number(new URL(url).port), [leader], { kills: 1, cuts: 1, stops: 1 })
        )
        assert.deepInclude(seen, { overlaps: 0, lowTokens: 0, refused: seen.lateWrites })
        assert.isAbove(seen.lateWrites, 0)
        assert.isAtLeast(seen.terms, 4)
      }),
    60_000
  )
})
