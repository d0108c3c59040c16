/**
 * A process of the load, as its parent commands it: `pause` ends what is under way, `sample` measures, `resume` goes on.
 */
import { readdirSync } from "node:fs"
import { getHeapCodeStatistics } from "node:v8"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { collectGarbage } from "../../support/garbage.js"
import { hear, say } from "../../support/ParentProcess.js"
import { Counts, type Report } from "./Counts.js"
import { requestCount } from "./eachRequest.js"

export interface Sample extends Report {
  /** Bytes that JavaScript holds after a collection, on its heap and beside it (buffers), but for compiled code: V8 goes on compiling. */
  readonly held: number
  readonly rss: number
  /** Open file descriptors. */
  readonly descriptors: number
  /** Requests begun or answered so far. */
  readonly requests: number
}

export interface Load {
  readonly counts: Counts
  /** Repeats the step in so many fibers for as long as the load isn't paused. */
  readonly repeat: (fibers: number, step: Effect.Effect<void>) => Effect.Effect<void>
  /** Done as soon as the load is paused. */
  readonly paused: Effect.Effect<void>
}

/** What else the parent may command, by its word; the answer is said under the same word. */
export type Commands = Readonly<Record<string, Effect.Effect<unknown, { readonly message: string }>>>

/** Runs a process of the load until the parent ends it. */
export const run = <E>(program: (load: Load) => Effect.Effect<Commands, E, never>): void => {
  process.on("warning", (warning) => console.log(`warning ${JSON.stringify(`${warning.name}: ${warning.message}`)}`))
  process.on("unhandledRejection", (reason) => console.log(`unhandled ${JSON.stringify(String(reason))}`))
  const running = Effect.flatMap(make, (load) => Effect.flatMap(program(load), serve(load)))
  Effect.runCallback(running, {
    onExit: (exit) => {
      console.error(String(exit))
      process.exit(1)
    }
  })
}

interface Controlled extends Load {
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

const make = Effect.gen(function* () {
  const counts = new Counts()
  const open = yield* Effect.makeLatch(false)
  const paused = yield* Effect.makeLatch(true)
  let busy = 0
  const load: Controlled = {
    counts,
    repeat: (fibers, step) =>
      Effect.forEach(
        Array.from({ length: fibers }),
        () =>
          Effect.forkDaemon(
            Effect.forever(
              open.whenOpen(
                Effect.acquireUseRelease(
                  Effect.sync(() => busy++),
                  () => step,
                  () => Effect.sync(() => busy--)
                )
              )
            )
          ),
        { discard: true }
      ),
    paused: paused.await,
    pause: Effect.gen(function* () {
      yield* open.close
      yield* paused.open
      // Twice, since one that has just passed the latch may be about to begin.
      const quiet = Effect.sync(() => busy === 0 && counts.open() === 0)
      yield* Effect.repeat(
        Effect.zipWith(quiet, Effect.delay(quiet, "10 millis"), (one, other) => one && other),
        {
          until: (isQuiet) => isQuiet,
          schedule: Schedule.spaced("10 millis")
        }
      )
    }),
    resume: Effect.zipRight(paused.close, open.open)
  }
  return load
})

const serve =
  (load: Controlled) =>
  (commands: Commands): Effect.Effect<never, { readonly message: string }> => {
    const all: Commands = {
      pause: load.pause,
      resume: load.resume,
      sample: sample(load.counts),
      requests: Effect.sync(() => String(requestCount())),
      ...commands
    }
    const step = Effect.gen(function* () {
      const word = yield* hear
      const command = all[word]
      if (command !== undefined) yield* say(word, (yield* command) ?? "")
    })
    return Effect.zipRight(say("ready"), Effect.forever(step))
  }

const sample = (counts: Counts): Effect.Effect<Sample> =>
  Effect.gen(function* () {
    yield* collectGarbage
    const { external, heapUsed, rss } = process.memoryUsage()
    const code = getHeapCodeStatistics()
    return {
      held: heapUsed + external - code.code_and_metadata_size - code.bytecode_and_metadata_size,
      rss,
      descriptors: readdirSync("/proc/self/fd").length,
      requests: requestCount(),
      ...counts.report()
    }
  })
