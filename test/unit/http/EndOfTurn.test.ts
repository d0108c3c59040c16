import type { ServerResponse } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as EndOfTurn from "../../../layers/http/EndOfTurn.js"

/** What a client sees of responses that end in this order. */
const responses = () => {
  const written: Array<string> = []
  const make = () => {
    const response = {
      destroyed: false,
      end: (text: string) => {
        // As Node's response, which reports a write after the end of its connection as an error that nobody handles.
        if (response.destroyed) throw new Error("written to a client that has disconnected")
        written.push(text)
      }
    }
    return response as typeof response & ServerResponse
  }
  return { written, make }
}

const turn = Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))

/** Longer than what lies near. */
const apart = Effect.promise(() => new Promise<void>((resolve) => void setTimeout(resolve, 3)))

describe("EndOfTurn", () => {
  it.live("ends responses that are ready together at the end of the turn, in order", () =>
    Effect.gen(function* () {
      const { make, written } = responses()
      yield* apart
      let waiting = 0
      for (let i = 0; i < 40; i++) {
        EndOfTurn.end(make(), String(i), "utf8")
        waiting = Math.max(waiting, i + 1 - written.length)
      }
      assert.isAbove(waiting, 0)
      yield* turn
      assert.deepStrictEqual(
        written,
        Array.from({ length: 40 }, (_, i) => String(i))
      )
    })
  )

  it.live("lets none wait for those that come later than a moment", () =>
    Effect.gen(function* () {
      const { make, written } = responses()
      for (let i = 0; i < 3; i++) {
        yield* apart
        EndOfTurn.end(make(), String(i), "utf8")
        assert.deepStrictEqual(written.length, i + 1)
      }
    })
  )

  it.live("lets none wait for more than so many others", () =>
    Effect.gen(function* () {
      const { make, written } = responses()
      for (let i = 0; i < 500; i++) EndOfTurn.end(make(), String(i), "utf8")
      assert.isAbove(written.length, 400)
      yield* turn
      assert.strictEqual(written.length, 500)
    })
  )

  it.live("writes nothing to a client that disconnects meanwhile", () =>
    Effect.gen(function* () {
      const { make, written } = responses()
      const all = Array.from({ length: 10 }, make)
      for (const response of all) EndOfTurn.end(response, "text", "utf8")
      const before = written.length
      for (const response of all) response.destroyed = true
      yield* turn
      assert.strictEqual(written.length, before)
    })
  )
})
