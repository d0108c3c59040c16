import { assert, describe, it } from "@effect/vitest"
import type { Kind } from "./Counts.js"
import { judge } from "./judge.js"

const ended: Kind = { begun: 100, succeeded: 90, aborted: 0, failed: { ECONNRESET: 10 } }

const samples = (
  change: { readonly held?: number; readonly descriptors?: number; readonly rate?: number; readonly kind?: Kind } = {}
) =>
  Array.from({ length: 20 }, (_, i) => ({
    second: 30 + 3 * i,
    held: 20_000_000 + 3 * i * (change.held ?? 0),
    rss: 0,
    requests: 3 * i * (change.rate ?? 100),
    descriptors: 30 + 3 * i * (change.descriptors ?? 0),
    kinds: { request: change.kind ?? ended },
    defects: []
  }))

const problemsOf = (...args: Parameters<typeof samples>) =>
  judge([{ name: "gateway", samples: samples(...args) }]).problems

describe("The load is judged to fail by", () => {
  it("nothing, where all is as it should be", () => {
    assert.deepStrictEqual(problemsOf({ held: 8 * 1024, descriptors: 0.1 }), [])
  })

  it("memory that grows beyond the bound", () => {
    assert.deepStrictEqual(problemsOf({ held: 100 * 1024 }), [
      "gateway keeps 100.00 KiB a second more (95 %: 100.00 to 100.00); the bound is 24",
      "gateway keeps 1.00 KiB a request more (95 %: 1.00 to 1.00); the bound is 0.25"
    ])
  })

  it("nothing, where few measurements are far apart; more of them may tell", () => {
    const few = samples({ rate: 10 }).slice(0, 9)
    const noisy = few.map((sample, i) => ({ ...sample, held: sample.held + (i % 3) * 100_000 }))
    const { isUncertain, problems } = judge([{ name: "gateway", samples: noisy }])
    assert.deepStrictEqual([isUncertain, problems], [true, []])
    assert.isFalse(judge([{ name: "gateway", samples: samples() }]).isUncertain)
  })

  it("descriptors that grow beyond the bound", () => {
    assert.lengthOf(problemsOf({ descriptors: 1 }), 1)
  })

  it("a request that never ended", () => {
    assert.deepStrictEqual(problemsOf({ kind: { ...ended, begun: 101 } }), ["1 of request never ended"])
  })

  it("requests too many of which failed", () => {
    assert.deepStrictEqual(problemsOf({ kind: { ...ended, succeeded: 70, failed: { 502: 30 } } }), [
      "only 70 of 100 of request succeeded"
    ])
  })

  it("a leak of 1 KiB a request, however few there are", () => {
    assert.deepStrictEqual(problemsOf({ rate: 8, held: 8 * 1024 }), [
      "gateway keeps 1.00 KiB a request more (95 %: 1.00 to 1.00); the bound is 0.25"
    ])
  })

  it("too few measurements", () => {
    assert.deepStrictEqual(judge([{ name: "gateway", samples: samples().slice(0, 3) }]).problems, [
      "gateway was measured 3 times; 8 are needed"
    ])
  })
})
