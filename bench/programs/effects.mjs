/** What the measured programs that use Effect share. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { startRun } from "./load.mjs"
import { payloads } from "./payloads.mjs"
import { chunk, element } from "./streamed.mjs"

let lastSpan = 0

/** A tracer that makes spans, as an exporter's does, and exports nothing. */
const spans = Tracer.make({
  span: (name, parent, context, links, startTime, kind) => {
    const attributes = new Map()
    return {
      _tag: "Span",
      name,
      spanId: (++lastSpan).toString(16).padStart(16, "0"),
      traceId: Option.match(parent, {
        onNone: () => "0af7651916cd43dd8448eb211c80319c",
        onSome: ({ traceId }) => traceId
      }),
      parent,
      context,
      links,
      kind,
      sampled: true,
      status: { _tag: "Started", startTime },
      attributes,
      attribute: (key, value) => void attributes.set(key, value),
      event: () => {},
      addLinks: () => {},
      end(endTime, exit) {
        this.status = { _tag: "Ended", startTime, endTime, exit }
      }
    }
  },
  context: (run) => run()
})

/** Runs a program with its layer for as long as the process lives, traced or not; resolves with what it gives once it is up. */
export const running = (layer, program, isTraced = false) =>
  new Promise((resolve, reject) => {
    const main = program.pipe(
      Effect.tap((value) => Effect.sync(() => resolve(value))),
      Effect.zipRight(Effect.never),
      Effect.scoped,
      Effect.provide(layer),
      Effect.tapErrorCause((cause) => Effect.sync(() => reject(Cause.squash(cause))))
    )
    Effect.runFork(isTraced ? Effect.withTracer(main, spans) : main)
  })

/** The loops of an API that gives effects: fibers of one runtime. `callOf(kind)` says how a payload of that kind is sent. */
export const effectLoadOf = (runPromise, callOf) => async (kind, inFlight, millis) => {
  const payload = payloads[kind]
  const call = callOf(kind)
  const run = startRun(millis)
  const loop = Effect.gen(function* () {
    while (!run.over) {
      yield* call(payload)
      run.count++
    }
  })
  const loops = Array.from({ length: inFlight }, () => loop)
  await runPromise(Effect.all(loops, { concurrency: "unbounded", discard: true }))
  return run.end()
}

/** A handler that is a generator. */
export const generator = (payload) =>
  Effect.gen(function* () {
    return yield* Effect.succeed(payload)
  })

/** Without end: elements 256 at a time, as from a table; one by one, as events come; and bytes. */
export const streamed = {
  elements: Stream.repeatEffectChunk(Effect.succeed(Chunk.unsafeFromArray(new Array(256).fill(element)))),
  events: Stream.repeatEffect(Effect.succeed(element)),
  bytes: Stream.repeatEffectChunk(Effect.succeed(Chunk.of(chunk)))
}

/** Takes a stream's elements for a time. */
export const consumerOf = (runPromise, streamOf) => async (what, millis) => {
  const run = startRun(millis)
  const take = (elements) => {
    run.count += elements.length
    return run.over ? Effect.fail("over") : Effect.void
  }
  await runPromise(
    Effect.catchAll(Stream.runForEachChunk(streamOf(what), take), (error) =>
      error === "over" ? Effect.void : Effect.die(error)
    )
  )
  return run.end()
}
