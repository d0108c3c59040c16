/**
 * How requests are made to come one after the other: so many loops, each with one request in flight, until the time is up.
 */
import { payloads } from "./payloads.mjs"

/** The loops of an API that gives promises: `call(payload)`, awaited. */
export const loadOf = (call) => async (kind, inFlight, millis) => {
  const payload = payloads[kind]
  const run = startRun(millis)
  const loop = async () => {
    while (!run.over) {
      await call(payload)
      run.count++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
  return run.end()
}

/** Ends what is measured by a timer, which costs a request nothing, and counts what was answered. */
export const startRun = (millis) => {
  const start = performance.now()
  const run = {
    over: false,
    count: 0,
    end: () => ({ count: run.count, seconds: (performance.now() - start) / 1000 })
  }
  setTimeout(() => {
    run.over = true
  }, millis)
  return run
}
