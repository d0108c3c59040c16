import { assert, describe, it } from "@effect/vitest"
import { Budget } from "../../src/MemoryBudget.js"

const kib = 1024

describe("A budget's share", () => {
  it("is an equal part of the bound, but no less than 16 KiB", () => {
    const budget = new Budget(64 * kib)
    assert.strictEqual(budget.share, 64 * kib)
    const accounts = Array.from({ length: 2 }, () => budget.open())
    assert.strictEqual(budget.share, 32 * kib)
    for (let i = 2; i < 10; i++) accounts.push(budget.open())
    assert.strictEqual(budget.share, 16 * kib)
    for (const account of accounts) account.close()
    assert.strictEqual(budget.share, 64 * kib)
  })

  it("is 16 KiB where more than twice the bound is held, however few hold it", () => {
    const budget = new Budget(64 * kib)
    const account = budget.open()
    account.set(128 * kib)
    assert.deepStrictEqual([budget.share, budget.isFull], [64 * kib, true])
    account.set(128 * kib + 1)
    assert.strictEqual(budget.share, 16 * kib)
    assert.deepStrictEqual([budget.hasRoomFor(16 * kib), budget.hasRoomFor(16 * kib + 1)], [true, false])
    account.close()
    assert.deepStrictEqual([budget.heldBytes, budget.share], [0, 64 * kib])
  })
})
