import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Cli from "../../support/Cli.js"
import { program } from "../../support/program.js"

const millis = 40_000

const node = process.execPath

/** The command line of `run` for a service that tells each signal it gets. */
const runArgs = (port: string, ...command: ReadonlyArray<string>) => [
  ...["run", "--api", "tested", "--prefix", "/tested", "--port", port, "--"],
  ...command
]

/** The pids of the service and of its parent, once it is registered. */
const started = Effect.fnUntraced(function* (run: Cli.Process, log: Cli.Output = run.stderr) {
  const [, , service, , parent] = (yield* run.stdout.line("service is")).split(" ").map(Number)
  yield* log.line("tested at")
  return { service: service ?? -1, parent: parent ?? -1 }
})

/** `S` for one that sleeps, `T` for one that is stopped, nothing for one that has ended. */
const stateOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return stat.charAt(stat.lastIndexOf(")") + 2)
  } catch {
    return ""
  }
}

const awaitState = (pid: number, states: string) =>
  Effect.sync(() => stateOf(pid)).pipe(
    Effect.repeat({ until: (state) => states.includes(state), schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error(`${pid} is not ${states}`) })
  )

const gone = (pid: number) => awaitState(pid, "Z")

layer(Cli.Gateway.layer, { timeout: millis, excludeTestServices: true })("effect-ipc run", (it) => {
  it.scoped(
    "passes every signal that can be passed to the command, and goes on",
    () =>
      Effect.gen(function* () {
        const { port, url } = yield* Cli.Gateway
        const run = yield* Cli.start(runArgs(port, node, Cli.service))
        yield* started(run)
        const kept = ["SIGKILL", "SIGSTOP", "SIGCHLD", "SIGPIPE", "SIGPROF"]
        const faults = ["SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"]
        const aliases = ["SIGIOT", "SIGPOLL", "SIGUNUSED"]
        const others = [...kept, ...faults, ...aliases, "SIGINT", "SIGTERM"]
        const signals = (Object.keys(constants.signals) as Array<NodeJS.Signals>).filter((s) => !others.includes(s))
        for (const signal of signals) {
          yield* run.signal(signal)
          yield* run.stdout.line(`service got ${signal}`)
        }
        assert.includeMembers(signals, ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH", "SIGABRT"])
        assert.strictEqual((yield* Cli.get(`${url}/tested`)).status, 200)
        yield* run.signal("SIGINT")
        assert.strictEqual(yield* run.exit, 7)
        const got = run.stdout.lines.filter((line) => line.startsWith("service got"))
        assert.deepStrictEqual(
          got,
          [...signals, "SIGINT"].map((signal) => `service got ${signal}`)
        )
      }),
    millis
  )

  describe("in a terminal", () => {
    const quoted = (words: ReadonlyArray<string>) => words.map((word) => `'${word}'`).join(" ")

    // Some shells stay between the terminal and the only command of `-c`; with `exec` none does.
    const inTerminal = (port: string) =>
      Cli.startProgram(
        "script",
        [
          "-qec",
          `exec ${quoted([node, program("layers/cli/main.ts"), ...runArgs(port, node, Cli.service)])}`,
          "/dev/null"
        ],
        {},
        { stdin: "pipe" }
      )

    it.scoped(
      "ends as the command does when SIGINT comes to itself alone, and when Ctrl-C is pressed",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Cli.Gateway
          for (const interrupt of ["kill", "key"]) {
            const terminal = yield* inTerminal(port)
            const { parent, service } = yield* started(terminal, terminal.stdout)
            if (interrupt === "kill") process.kill(parent, "SIGINT")
            else yield* terminal.type("\u0003")
            assert.strictEqual(yield* terminal.exit, 7)
            const got = terminal.stdout.lines.filter((line) => line.includes("service got"))
            assert.deepStrictEqual(
              got.map((line) => line.replace("^C", "")),
              ["service got SIGINT"]
            )
            yield* gone(service)
          }
        }),
      millis
    )

    it.scoped(
      "stops with the command at Ctrl-Z, and both go on",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Cli.Gateway
          const terminal = yield* inTerminal(port)
          const { parent, service } = yield* started(terminal, terminal.stdout)
          yield* terminal.type("\u001a")
          yield* awaitState(service, "T")
          yield* awaitState(parent, "T")
          // What holds the terminal has stopped with them, and goes on first, as a shell's fg does.
          yield* awaitState(terminal.pid, "T")
          yield* terminal.signal("SIGCONT")
          yield* awaitState(service, "SR")
          yield* terminal.type("\u0003")
          assert.strictEqual(yield* terminal.exit, 7)
        }),
      millis
    )
  })

  describe("ends what the command has started, too", () => {
    it.scoped(
      "of a shell that waits for a service, at SIGTERM and at SIGINT",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Cli.Gateway
          for (const signal of ["SIGTERM", "SIGINT"] as const) {
            const run = yield* Cli.start(runArgs(port, "sh", "-c", `'${node}' '${Cli.service}'; echo after`))
            const { service } = yield* started(run)
            yield* run.signal(signal)
            const exit = yield* run.exit
            if (signal === "SIGTERM") assert.strictEqual(exit, 128 + constants.signals.SIGTERM)
            yield* gone(service)
            assert.deepStrictEqual(
              run.stdout.lines.filter((line) => line.startsWith("service got")),
              [`service got ${signal}`]
            )
          }
        }),
      millis
    )

    it.scoped(
      "of npm start, whose service gets SIGTERM once",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Cli.Gateway
          const folder = yield* Effect.acquireRelease(
            Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ipc-npm-"))),
            (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
          )
          const scripts = { start: `node ${Cli.service}; echo after` }
          writeFileSync(join(folder, "package.json"), JSON.stringify({ scripts }))
          const run = yield* Cli.start(runArgs(port, "npm", "--prefix", folder, "start"))
          const { service } = yield* started(run)
          yield* run.signal("SIGTERM")
          yield* run.exit
          yield* gone(service)
          assert.deepStrictEqual(
            run.stdout.lines.filter((line) => line.startsWith("service got")),
            ["service got SIGTERM"]
          )
        }),
      millis
    )

    it.scoped(
      "when it is itself killed with SIGKILL, and when its whole process group is",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Cli.Gateway
          for (const alone of [true, false]) {
            const run = yield* Cli.start(runArgs(port, "sh", "-c", `'${node}' '${Cli.service}'; echo after`))
            const { parent: shell, service } = yield* started(run)
            if (alone) yield* run.signal("SIGKILL")
            else yield* run.kill
            yield* gone(service)
            yield* gone(shell)
          }
        }),
      millis
    )
  })
})
