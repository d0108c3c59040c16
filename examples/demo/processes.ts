import { fileURLToPath } from "node:url"
import * as Command from "@effect/platform/Command"
import { Deferred, Effect, Schema, Stream, SubscriptionRef } from "effect"

export class DidNotStart extends Schema.TaggedError<DidNotStart>()("DidNotStart", { program: Schema.String }) {
  override get message() {
    return `${this.program} ended before it was ready.`
  }
}

/** Every process that was started, so that the end can tell whether one is left. */
export const startedPids = new Set<number>()

/** A program of `services/` in a process of its own, ready to be asked; it ends with the scope. */
export const start = Effect.fn(function* (program: string, env: Readonly<Record<string, string>>) {
  const process = yield* Command.start(command(program).pipe(Command.env({ PORT: "0", ...env })))
  startedPids.add(process.pid)
  const ready = yield* Deferred.make<string, DidNotStart>()
  const role = yield* SubscriptionRef.make("")
  yield* process.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      const [word, what = ""] = line.split(" ")
      if (word === "ready") return Effect.asVoid(Deferred.succeed(ready, what))
      return word === "role" ? SubscriptionRef.set(role, what) : Effect.void
    }),
    Effect.ensuring(Deferred.fail(ready, new DidNotStart({ program }))),
    Effect.forkScoped
  )
  const url = yield* Deferred.await(ready)
  return {
    name: `${program.replace(/\..*/, "")}, pid ${process.pid}`,
    pid: process.pid,
    url,
    kill: process.kill("SIGKILL"),
    /** Waits until it leads. */
    leads: Stream.runHead(Stream.filter(role.changes, (now) => now === "leader"))
  }
})

// The flags of this process let Node run TypeScript.
const command = (program: string) =>
  Command.make(
    process.execPath,
    ...(program.endsWith(".ts") ? process.execArgv : []),
    fileURLToPath(pathOf(program))
  ).pipe(Command.stderr("inherit"))

const pathOf = (program: string) => new URL(`./services/${program}`, import.meta.url)
