import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as LinkedList from "../../../src/internal/LinkedList.js"

describe("LinkedList", () => {
  it("is as a Set is, but that what is added again comes last", () => {
    const steps = FastCheck.array(FastCheck.record({ add: FastCheck.boolean(), at: FastCheck.nat(7) }), {
      maxLength: 60
    })
    const check = (all: ReadonlyArray<{ readonly add: boolean; readonly at: number }>) => {
      const pool = Array.from({ length: 8 }, (_, id): LinkedList.Linked & { id: number } => ({ id }))
      const list = new LinkedList.LinkedList<LinkedList.Linked & { id: number }>()
      const model = new Set<number>()
      for (const { add, at } of all) {
        model.delete(at)
        const entry = pool[at] as (typeof pool)[number]
        if (add) {
          model.add(at)
          list.add(entry)
        } else LinkedList.remove(entry)
        const ids = list.entries().map(({ id }) => id)
        assert.deepStrictEqual(ids, [...model])
        assert.strictEqual(list.first?.id, ids[0])
      }
    }
    FastCheck.assert(FastCheck.property(steps, check))
  })
})
