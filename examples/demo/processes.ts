import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import * as Command from "@effect/platform/Command"
import { Deferred, Effect, Fiber, Schema, Stream, SubscriptionRef } from "effect"

export class DidNotStart extends Schema.TaggedError<DidNotStart>()("DidNotStart", { program: Schema.String }) {
  override get message() {
    return `${this.program} ended before it was ready.`
  }
}

/** Every process that was started, so that the end can tell whether one is left. */
export const startedPids = new Set<number>()

/** A program in a process of its own, each line it prints going to `onLine`; it ends with the scope. */
export const run = Effect.fn(function* <E, R>(
  path: string,
  env: Readonly<Record<string, string>>,
  onLine: (line: string) => Effect.Effect<void, E, R>
) {
  const process = yield* Command.start(command(path).pipe(Command.env({ PORT: "0", ...env })))
  startedPids.add(process.pid)
  const ended = yield* process.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach(onLine),
    Effect.forkScoped
  )
  const program = basename(path).replace(/\..*/, "")
  return { name: `${program}, pid ${process.pid}`, process, ended: Fiber.await(ended) }
})

/** A program of `services/`, ready to be asked. */
export const start = Effect.fn(function* (program: string, env: Readonly<Record<string, string>>) {
  const ready = yield* Deferred.make<string, DidNotStart>()
  const role = yield* SubscriptionRef.make("")
  const { name, process, ended } = yield* run(`./services/${program}`, env, (line) => {
    const [word, what = ""] = line.split(" ")
    if (word === "ready") return Effect.asVoid(Deferred.succeed(ready, what))
    return word === "role" ? SubscriptionRef.set(role, what) : Effect.void
  })
  yield* Effect.forkScoped(Effect.zipRight(ended, Deferred.fail(ready, new DidNotStart({ program }))))
  const url = yield* Deferred.await(ready)
  return {
    name,
    pid: process.pid,
    url,
    kill: process.kill("SIGKILL"),
    /** Waits until it leads. */
    leads: Stream.runHead(Stream.filter(role.changes, (now) => now === "leader"))
  }
})

// The flags of this process let Node run TypeScript.
const command = (path: string) =>
  Command.make(
    process.execPath,
    ...(path.endsWith(".ts") ? process.execArgv : []),
    fileURLToPath(new URL(path, import.meta.url))
  ).pipe(Command.stderr("inherit"))
