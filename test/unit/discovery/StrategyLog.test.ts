import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import * as StrategyLog from "../../../src/discovery/StrategyLog.js"

describe("The log of strategies", () => {
  it.effect("warns once for each api, whatever a strategy throws", () => {
    const lines: Array<string> = []
    const logger = Logger.map(Logger.logfmtLogger, (line) => {
      lines.push(line.replace(/^timestamp=\S+ level=(\S+) fiber=\S+ message=/, "$1 ").replace(/\\n.*/s, ""))
    })
    return Effect.gen(function* () {
      const { onFallback } = yield* StrategyLog.make
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      for (const [api, cause] of [
        ["users", new Error("of the program")],
        ["users", new Error("of the program")],
        ["orders", proxy]
      ] as const) {
        onFallback?.({ api, strategy: "picky", cause })
      }
      assert.deepStrictEqual(lines, [
        'WARN "The strategy picky of users failed; the first instance is taken instead" cause="Error: of the program',
        `WARN "The strategy picky of orders failed; the first instance is taken instead: an error that can't be shown"`
      ])
    }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
  })
})
