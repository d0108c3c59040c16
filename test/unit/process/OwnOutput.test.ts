import { Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as OwnOutput from "../../../layers/process/OwnOutput.js"

describe("Output of this process", () => {
  it("is lost where it can't be written, and ends nothing", async () => {
    const written: Array<string> = []
    const disc = new Writable({
      autoDestroy: false,
      write: (chunk: Buffer, _encoding, done) => {
        if (written.length > 0) return done(new Error("ENOSPC: no space left on device, write"))
        written.push(String(chunk))
        done()
      }
    })
    for (let i = 0; i < 20; i++) {
      OwnOutput.write(disc, `line ${i}\n`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.deepStrictEqual(written, ["line 0\n"])
    assert.strictEqual(disc.listenerCount("error"), 1)
  })
})
