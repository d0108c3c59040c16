import { serialize } from "node:v8"
import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { IdMap } from "../../../src/internal/IdMap.js"

/** How large it is. */
const bytesOf = (table: IdMap<{ readonly id: number }>) => serialize(table).length

interface Step {
  readonly do: "add" | "delete" | "get" | "clear"
  readonly id: number
}

const steps = (ids: ReadonlyArray<FastCheck.Arbitrary<number>>): FastCheck.Arbitrary<ReadonlyArray<Step>> => {
  // Most are added, so that many are there at a time.
  const what = FastCheck.constantFrom<Step["do"]>("add", "add", "add", "delete", "get")
  const step = FastCheck.record({ do: what, id: FastCheck.oneof(...ids) })
  const clear = FastCheck.constant<Step>({ do: "clear", id: 0 })
  return FastCheck.array(FastCheck.oneof({ weight: 50, arbitrary: step }, { weight: 1, arbitrary: clear }), {
    maxLength: 200
  })
}

const check = (steps: ReadonlyArray<Step>) => {
  const table = new IdMap<{ readonly id: number }>()
  const model = new Map<number, { readonly id: number }>()
  for (const step of steps) {
    switch (step.do) {
      case "add":
        if (!model.has(step.id)) {
          const entry = { id: step.id }
          table.add(entry)
          model.set(step.id, entry)
        }
        break
      case "delete":
        assert.strictEqual(table.delete(step.id), model.delete(step.id))
        break
      case "get":
        assert.strictEqual(table.get(step.id), model.get(step.id))
        break
      case "clear":
        table.clear()
        model.clear()
    }
    assert.strictEqual(table.size, model.size)
    assert.deepStrictEqual(
      table.entries(),
      [...model.values()].sort((one, other) => one.id - other.id)
    )
  }
}

describe("IdMap", () => {
  it("is as a Map is, whatever the ids: a peer chooses those of its requests", () => {
    const ids = [
      FastCheck.integer({ min: -40, max: 40 }),
      FastCheck.maxSafeInteger(),
      // All at one slot.
      FastCheck.nat(40).map((n) => n * 2 ** 20),
      FastCheck.nat(40).map((n) => Number.MAX_SAFE_INTEGER - n)
    ]
    FastCheck.assert(FastCheck.property(steps(ids), check))
  })

  it("keeps those that outlive very many others, and grows with how many there are, not with their ids", () => {
    const table = new IdMap<{ readonly id: number }>()
    const old = { id: 1 }
    table.add(old)
    for (let id = 2; id < 100_000; id++) {
      table.add({ id })
      assert.isTrue(table.delete(id))
    }
    assert.strictEqual(table.get(1), old)
    assert.strictEqual(table.size, 1)
    assert.isBelow(bytesOf(table), 500)
  })

  it("releases its memory after a burst", () => {
    const table = new IdMap<{ readonly id: number }>()
    for (let id = 0; id < 100_000; id++) table.add({ id })
    for (let id = 0; id < 100_000; id++) assert.isTrue(table.delete(id))
    assert.strictEqual(table.size, 0)
    assert.isAtMost(bytesOf(table), bytesOf(new IdMap()))
  })
})
