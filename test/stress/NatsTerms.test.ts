import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { live } from "../support/live.js"
import * as NatsServer from "../support/NatsServer.js"
import { observe } from "../support/NatsTerms.js"
import { program } from "../support/program.js"
import * as TermsHistory from "../support/TermsHistory.js"

describe("Leaders on NATS in processes of their own", () => {
  live(
    "never lead at once when one is killed or cut off, and a store refuses what one writes that was stopped past its lease",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.start()
        const leader = program("test/support/processes/nats-leader.ts")
        const history: Array<TermsHistory.Event> = []
        yield* Effect.promise(() =>
          observe(Number(new URL(url).port), [leader], { kills: 1, cuts: 2, stops: 1 }, (event) => history.push(event))
        )
        const { lateWrites, refused, terms, ...findings } = TermsHistory.check(history)
        assert.deepInclude(findings, { kills: 1, cuts: 2, stops: 1, violations: [] })
        assert.strictEqual(refused, lateWrites)
        assert.isAbove(lateWrites, 0)
        assert.isAtLeast(terms, 5)
      }),
    60_000
  )
})

/** As `TermsHistory.line` writes them. */
const a = { who: "a" } as const
const b = { who: "b" } as const
const begun = { at: 10, ...a, what: "begin", token: 1, was: 9 } as const
const written = { at: 11, ...a, what: "write", token: 1, taken: true } as const
const ended = { at: 40, ...a, what: "end", token: 1, was: 39 } as const
const nextBegun = { at: 60, ...b, what: "begin", token: 5, was: 59 } as const
const nextWritten = { at: 61, ...b, what: "write", token: 5, taken: true } as const
const stopped = { at: 20, ...a, what: "stop" } as const
const resumed = { at: 70, ...a, what: "resume" } as const
const lateWrite = { at: 71, ...a, what: "write", token: 1, taken: false } as const

const violations = (...history: ReadonlyArray<TermsHistory.Event>) => TermsHistory.check(history).violations

describe("A history of terms", () => {
  it("tells how often what was done, and how many late writes were refused", () => {
    const killed = { at: 80, ...b, what: "kill" } as const
    assert.deepStrictEqual(
      TermsHistory.check([begun, written, stopped, nextBegun, nextWritten, resumed, lateWrite, killed]),
      { kills: 1, cuts: 0, stops: 1, terms: 2, writes: 3, lateWrites: 1, refused: 1, closest: 39, violations: [] }
    )
    const cut = { at: 12, ...a, what: "cut" } as const
    assert.deepStrictEqual(TermsHistory.check([begun, written, cut, ended, nextBegun]), {
      ...{ kills: 0, cuts: 1, stops: 0, terms: 2, writes: 1, lateWrites: 0, refused: 0, closest: 20, violations: [] }
    })
  })

  it("shows terms that overlap, by either reading of the clock", () => {
    assert.lengthOf(violations(begun, { ...nextBegun, at: 30, was: 29 }, ended), 2)
    // The observer has learnt of the end too late, or the participant says that it went on longer.
    assert.lengthOf(violations(begun, { ...ended, at: 61 }, nextBegun), 1)
    assert.lengthOf(violations(begun, { ...ended, was: 59.5 }, nextBegun), 1)
    // Of one that is cut off, and tells no end.
    assert.lengthOf(violations(begun, { at: 12, ...a, what: "cut" }, nextBegun), 2)
    // Not only of the one before.
    const third = { at: 90, who: "c", what: "begin", token: 7, was: 89 } as const
    assert.lengthOf(violations(begun, nextBegun, { at: 80, ...b, what: "kill" }, third), 4)
  })

  it("shows a late write that was taken, and one of the only leader that was refused", () => {
    const before = [begun, written, stopped, nextBegun] as const
    // Before the store could know of the next term, or after.
    assert.lengthOf(violations(...before, resumed, { ...lateWrite, taken: true }), 1)
    assert.lengthOf(violations(...before, nextWritten, resumed, { ...lateWrite, taken: true }), 2)
    assert.lengthOf(violations(begun, { ...written, taken: false }), 1)
  })

  it("shows a token that isn't greater than the one before", () => {
    assert.lengthOf(violations(begun, ended, { ...nextBegun, token: 1 }), 1)
  })

  it("shows what proves nothing: who was stopped and has tried no late write, or was resumed too early", () => {
    assert.lengthOf(violations(begun, written, stopped, nextBegun, nextWritten, resumed), 1)
    assert.lengthOf(violations(begun, stopped, resumed), 2)
  })

  it("counts who led until then, and no other", () => {
    const all = (["kill", "cut", "stop"] as const).map((what) => ({ at: 50, ...a, what }))
    assert.deepInclude(TermsHistory.check([begun, ended, ...all]), { kills: 0, cuts: 0, stops: 0, violations: [] })
  })
})
