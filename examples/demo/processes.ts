import { fileURLToPath } from "node:url"
import * as Command from "@effect/platform/Command"
import { Deferred, Effect, Schema, Stream } from "effect"

export class DidNotStart extends Schema.TaggedError<DidNotStart>()("DidNotStart", { program: Schema.String }) {
  override get message() {
    return `${this.program} ended before it was ready.`
  }
}

/** Every process that was started, so that the end can tell whether one is left. */
export const startedPids = new Set<number>()

/** An HTTP service of `services/` in a process of its own, ready to be asked; it ends with the scope. */
export const startService = Effect.fn(function* (program: string, port = 0) {
  const process = yield* start(command(program, String(port)))
  const ready = yield* Deferred.make<string, DidNotStart>()
  yield* process.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Deferred.succeed(ready, line)),
    Effect.ensuring(Deferred.fail(ready, new DidNotStart({ program }))),
    Effect.forkScoped
  )
  const url = yield* Deferred.await(ready)
  return { pid: process.pid, url, kill: process.kill("SIGKILL") }
})

/** The worker, which connects to the gateway by itself. */
export const startWorker = (gateway: string, runtimeId: string) =>
  start(command("worker").pipe(Command.stdout("inherit"), Command.env({ IPC_URL: gateway, IPC_RUNTIME_ID: runtimeId })))

// The flags of this process let Node run TypeScript.
const command = (program: string, ...args: ReadonlyArray<string>) =>
  Command.make(
    process.execPath,
    ...process.execArgv,
    fileURLToPath(new URL(`./services/${program}.ts`, import.meta.url)),
    ...args
  ).pipe(Command.stderr("inherit"))

const start = (command: Command.Command) =>
  Effect.tap(Command.start(command), (process) => Effect.sync(() => startedPids.add(process.pid)))
