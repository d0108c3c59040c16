import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { ConnectionMemory } from "../../../src/connection/ConnectionMemory.js"
import { RequestBacklog } from "../../../src/connection/RequestBacklog.js"
import { Budget } from "../../../src/MemoryBudget.js"
import { ScriptedTransport } from "../../support/pair.js"

type Step =
  | { readonly do: "batch"; readonly frames: ReadonlyArray<string> }
  | { readonly do: "shift" }
  | { readonly do: "cancel"; readonly nth: number }

const steps = FastCheck.array(
  FastCheck.oneof(
    FastCheck.record({
      do: FastCheck.constant("batch" as const),
      frames: FastCheck.array(FastCheck.string({ maxLength: 20 }), { minLength: 1, maxLength: 5 })
    }),
    FastCheck.record({ do: FastCheck.constant("shift" as const) }),
    FastCheck.record({ do: FastCheck.constant("cancel" as const), nth: FastCheck.nat(40) })
  ),
  { maxLength: 80 }
)

const setUp = () => {
  const memory = new ConnectionMemory(new ScriptedTransport(true), 1000, new Budget(1000))
  return { memory, backlog: new RequestBacklog(memory) }
}

describe("RequestBacklog", () => {
  it("agrees with a plain list, in any order of calls, and counts bytes back to nothing", () => {
    FastCheck.assert(
      FastCheck.property(steps, (script: ReadonlyArray<Step>) => {
        const { backlog, memory } = setUp()
        const model: Array<{ readonly id: number; readonly text: string }> = []
        let lastId = 0
        for (const step of script) {
          if (step.do === "batch") {
            backlog.beginBatch()
            const text = step.frames.join("\n")
            let start = 0
            for (const frame of step.frames) {
              // Every third has no id, as messages have none.
              const id = ++lastId % 3 === 0 ? -1 : lastId
              backlog.push(text, start, start + frame.length, id)
              model.push({ id, text: frame })
              start += frame.length + 1
            }
          } else if (step.do === "shift") {
            assert.strictEqual(backlog.nextLength, model[0]?.text.length ?? 0)
            assert.strictEqual(backlog.shift()?.packet, model.shift()?.text)
          } else {
            const index = model.findIndex(({ id }) => id === step.nth)
            assert.strictEqual(backlog.has(step.nth), index !== -1)
            assert.strictEqual(backlog.cancel(step.nth), model[index]?.text.length ?? -1)
            if (index !== -1) model.splice(index, 1)
          }
          assert.strictEqual(backlog.size, model.length)
          const least = model.reduce((bytes, { text }) => bytes + text.length, 0)
          assert.isAtLeast(memory.backlog, least)
        }
        while (backlog.size > 0) assert.strictEqual(backlog.shift()?.packet, model.shift()?.text)
        assert.deepStrictEqual([model.length, memory.backlog], [0, 0])
      })
    )
  })

  it("doesn't grow with requests that come and are cancelled behind one that waits", () => {
    const { backlog, memory } = setUp()
    const add = (id: number) => {
      backlog.beginBatch()
      backlog.push("r:1:slow:1", 0, 10, id)
    }
    add(0)
    for (let id = 1; id < 100_000; id++) {
      add(id)
      backlog.cancel(id)
    }
    assert.strictEqual(backlog.size, 1)
    assert.isBelow(memory.backlog, 1_000_000)
    backlog.shift()
    assert.strictEqual(memory.backlog, 0)
  })
})
