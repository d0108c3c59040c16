/**
 * Which runtimes the Node layers run on.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { UnsupportedRuntime } from "../../src/IPCError.js"

/** Dies on a runtime on which connections and the gateway are known to break. */
export const check: Effect.Effect<void> = Effect.suspend(() => {
  const { bun } = process.versions
  return bun === undefined ? Effect.void : Effect.die(new UnsupportedRuntime({ runtime: `Bun ${bun}` }))
})
