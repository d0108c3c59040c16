import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as BufferCollection from "../../layers/BufferCollection.js"

describe("buffers that the application gets", () => {
  const chunkBytes = 64 * 1024
  const mebibyte = 1024 * 1024

  it("are freed by V8's function, not by one of the program's of this name", () => {
    const options: Array<unknown> = []
    Object.assign(globalThis, { gc: (given: unknown) => options.push(given) })
    try {
      BufferCollection.allocated(8 * mebibyte)
    } finally {
      Reflect.deleteProperty(globalThis, "gc")
    }
    assert.deepStrictEqual(options, [])
  })

  it("are freed soon after it has dropped them, not when they hold 32 MiB", () => {
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    for (let given = 0; given < 96 * mebibyte; given += chunkBytes) {
      Buffer.allocUnsafeSlow(chunkBytes)
      BufferCollection.allocated(chunkBytes)
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
    assert.isBelow(most, 16 * mebibyte)
  })

  it("stay as long as it keeps them", () => {
    const kept = Array.from({ length: 256 }, (_, i) => {
      BufferCollection.allocated(chunkBytes)
      return Buffer.allocUnsafeSlow(chunkBytes).fill(i)
    })
    assert.isTrue(kept.every((buffer, i) => buffer.every((byte) => byte === i)))
  })

  // Flags are those of a whole process, in which other tests may have set this one.
  it.effect("let no other code collect garbage", () =>
    Effect.gen(function* () {
      const program = `
        import * as VM from "node:vm"
        import * as BufferCollection from ${JSON.stringify(new URL("../../layers/BufferCollection.ts", import.meta.url))}
        BufferCollection.allocated(${8 * mebibyte})
        console.log(typeof globalThis.gc, VM.runInNewContext("typeof gc"))`
      const args = ["--import", "tsx", "--input-type=module", "--eval", program]
      const { stdout } = yield* Effect.promise(() => promisify(execFile)(process.execPath, args))
      assert.strictEqual(stdout, "undefined undefined\n")
    })
  )
})
