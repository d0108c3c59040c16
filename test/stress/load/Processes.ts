/**
 * The processes of the load. One that warns, lets a rejection go unhandled, or ends without being killed is a problem.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import { bundle } from "../../support/bundle.js"
import { type Child, spawnNode } from "../../support/ChildProcess.js"

export interface Process {
  readonly name: string
  readonly child: Child
  readonly kill: Effect.Effect<void>
}

export interface Processes {
  /** Done once it is ready; killed with the scope. */
  readonly start: (
    program: string,
    name: string,
    args: ReadonlyArray<string>
  ) => Effect.Effect<Process, Error, Scope.Scope>
  readonly problems: ReadonlyArray<string>
  /** How many were started. */
  readonly started: () => number
  /** The ids of those that run. */
  readonly running: () => ReadonlyArray<number>
}

/** Code that is thrown away and compiled again would be noise in what is measured. */
const nodeArgs = ["--expose-gc", "--no-flush-bytecode"]

export const make: Effect.Effect<Processes, never, Scope.Scope> = Effect.gen(function* () {
  const programs = yield* Effect.acquireRelease(
    Effect.sync(() => bundle(["test/stress/load/programs/*.ts"])),
    ({ remove }) => Effect.sync(remove)
  )
  yield* Effect.promise(programs.build)
  const pids: Array<number> = []
  const problems: Array<string> = []

  const watch = (name: string, child: Child) => {
    const told = (word: string) =>
      Effect.forkScoped(
        Effect.ignore(Effect.map(child.line(word), (what) => problems.push(`${name}: ${word} ${what}`)))
      )
    return Effect.zipRight(told("warning"), told("unhandled"))
  }

  const start: Processes["start"] = (program, name, args) =>
    Effect.gen(function* () {
      const scope = yield* InnerScope.make
      const path = join(programs.folder, `test/stress/load/programs/${program}.js`)
      const child = yield* Scope.extend(spawnNode(path, { args, nodeArgs }), scope)
      pids.push(child.pid)
      let killed = false
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => {
          killed = true
        })
      )
      const ended = Effect.map(child.exit, ({ code, signal }) => {
        if (!killed) problems.push(`${name} ended by itself (${code ?? signal}): ${child.stderr().slice(-2000)}`)
      })
      yield* Effect.forkScoped(ended)
      yield* watch(name, child)
      yield* child.line("ready")
      return { name, child, kill: Scope.close(scope, Exit.void) }
    })
  return { start, problems, started: () => pids.length, running: () => pids.filter(runs) }
})

const runs = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
