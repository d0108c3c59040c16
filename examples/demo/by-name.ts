import * as HttpClient from "@effect/platform/HttpClient"
import { Duration, Effect, HashSet, Schedule, Stream, SubscriptionRef } from "effect"
import { run } from "./processes.js"
import { expect, say } from "./story.js"

/** The programs of `examples/services`, as they are, at a port of their own. */
export const askByName = (port: number) =>
  Effect.gen(function* () {
    const worker = yield* startProgram("worker", port)
    const listens = HttpClient.get(`http://127.0.0.1:${port}/`)
    yield* Effect.retry(listens, Schedule.spaced("20 millis"))
    yield* say(`${worker.name}, came first: it leads`)
    const [users, orders] = yield* Effect.all([startProgram("users", port), startProgram("orders", port)])
    yield* Effect.all(
      [
        orders.says("by request: Ada; unknown user 2; 2 logins"),
        orders.says("by HTTP: Ada"),
        worker.says("the leader writes to Ada")
      ],
      { concurrency: "unbounded" }
    )
    for (const program of [users, orders, worker]) yield* program.interrupt
  }).pipe(Effect.scoped)

const startProgram = Effect.fn(function* (program: string, port: number) {
  const printed = yield* SubscriptionRef.make(HashSet.empty<string>())
  const { name, process } = yield* run(`../services/${program}.ts`, { IPC_PORT: String(port) }, (line) =>
    SubscriptionRef.update(printed, HashSet.add(line))
  )
  return {
    name,
    /** Waits until it has printed the line. */
    says: (line: string) =>
      Effect.zipRight(Stream.runHead(Stream.filter(printed.changes, HashSet.has(line))), say(`${name}: ${line}`)),
    /** What Ctrl-C does. */
    interrupt: Effect.gen(function* () {
      const [duration, exitCode] = yield* Effect.timed(Effect.zipRight(process.kill("SIGINT"), process.exitCode))
      yield* say(`${name}: Ctrl-C ended it after ${Math.round(Duration.toMillis(duration))} ms`)
      yield* expect("the exit code", Number(exitCode), 0)
    })
  }
})
