/**
 * Joins at ports of its own: without a warm-up, then twice with it. Tells after each how many warm-ups there were so far, by
 * the requests that they make.
 */
import { subscribe } from "node:diagnostics_channel"
import type { IncomingMessage } from "node:http"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import { say } from "../ParentProcess.js"
import * as Port from "../Port.js"

let warmUps = 0
let onWarmUp = () => {}
subscribe("http.server.request.start", (message) => {
  const { request } = message as { readonly request: IncomingMessage }
  // Once at the gateway, and once at its service.
  if (request.url !== "/service" || request.headers["x-forwarded-for"] === undefined) return
  warmUps++
  onWarmUp()
})

/** The three seconds before a warm-up have passed already. */
const real = Clock.make()
const impatient: Clock.Clock = {
  ...real,
  unsafeCurrentTimeMillis: () => real.unsafeCurrentTimeMillis(),
  unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos(),
  sleep: (duration) => real.sleep(Duration.equals(duration, Duration.seconds(3)) ? Duration.zero : duration)
}

const join = (warmUp: boolean | undefined) =>
  Effect.gen(function* () {
    const port = yield* Effect.promise(Port.free)
    yield* Effect.withClock(LocalDiscovery.make({ port, ...(warmUp === undefined ? {} : { warmUp }) }), impatient)
  })

const program = Effect.gen(function* () {
  yield* join(false)
  yield* Effect.sleep("300 millis")
  yield* say("without", String(warmUps))
  const first = Effect.async<void>((resume) => {
    onWarmUp = () => resume(Effect.void)
  })
  yield* Effect.zipRight(join(undefined), first, { concurrent: true })
  yield* join(true)
  yield* Effect.sleep("300 millis")
  yield* say("with", String(warmUps))
})

await Effect.runPromise(Effect.scoped(program))
process.exit()
