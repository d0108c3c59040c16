/**
 * The other side of Child: what a program in test/support/processes says and hears.
 */
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"

export const say = (word: string, rest: unknown = ""): Effect.Effect<void> =>
  Effect.sync(() => console.log(`${word} ${typeof rest === "string" ? rest : JSON.stringify(rest)}`))

const lines: Array<string> = []
const waiting: Array<(line: string) => void> = []
const reader = createInterface({ input: process.stdin })
reader.on("line", (line) => {
  const next = waiting.shift()
  if (next === undefined) lines.push(line)
  else next(line)
})
// A child whose parent is gone has no one to report to.
reader.on("close", () => {
  if (!deaf) process.exit(70)
})
let deaf = false

/** The next line the parent told. */
export const hear: Effect.Effect<string> = Effect.async((resume) => {
  const line = lines.shift()
  if (line !== undefined) return resume(Effect.succeed(line))
  const listener = (message: string) => resume(Effect.succeed(message))
  waiting.push(listener)
  return Effect.sync(() => void waiting.splice(waiting.indexOf(listener), 1))
})

/** Hears nothing further, so that nothing of this keeps the process alive. */
export const stopHearing: Effect.Effect<void> = Effect.sync(() => {
  deaf = true
  reader.close()
  process.stdin.destroy()
})
