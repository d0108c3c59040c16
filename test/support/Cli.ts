/**
 * The command as processes of their own, which end with the test's scope.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createServer as createHttpServer, type RequestListener } from "node:http"
import { type AddressInfo, createServer, type Server } from "node:net"
import { createInterface } from "node:readline"
import { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Port from "./Port.js"
import { program } from "./program.js"

export const inRepository = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** A service for the command to run, which knows nothing of it. */
export const service = inRepository("test/support/processes/cli-service.mjs")

export interface Output {
  readonly lines: ReadonlyArray<string>
  /**
   * The first line, past or to come, that has the text in it; after the first one that has `after` in it, where that is
   * given. Fails when the process ends without it.
   */
  readonly line: (text: string, after?: string) => Effect.Effect<string, Error>
}

export interface Process {
  readonly pid: number
  readonly stdout: Output
  readonly stderr: Output
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Kills it and its process group with SIGKILL. */
  readonly kill: Effect.Effect<void>
  /** Closes its stdout, as a reader that has seen enough. */
  readonly closeStdout: Effect.Effect<void>
  /** Writes to its stdin. */
  readonly type: (text: string) => Effect.Effect<void>
  /** Its exit code, or the name of the signal that ended it. */
  readonly exit: Effect.Effect<number | string>
}

export interface Ended {
  readonly exit: number | string
  readonly stdout: string
  readonly stderr: string
}

export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  stdout: Stdio["stdout"] = "pipe"
): Effect.Effect<Process, never, Scope.Scope> =>
  startProgram(process.execPath, [program("layers/cli/main.ts"), ...args], env, { stdout })

interface Stdio {
  readonly stdin?: "ignore" | "pipe"
  /** A pipe that is read here, or an open file. */
  readonly stdout?: "pipe" | number
}

export const startProgram = (
  file: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  { stdin = "ignore", stdout = "pipe" }: Stdio = {}
): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { IPC_HOST, IPC_PORT, IPC_TOKEN, ...inherited } = process.env
      return watch(
        spawn(file, args, {
          stdio: [stdin, stdout, "pipe"],
          env: { ...inherited, ...env },
          cwd: inRepository(""),
          // A group of its own, so that a child of its own ends with it.
          detached: true
        })
      )
    }),
    (child) => Effect.zipRight(child.kill, child.exit)
  )

/** Runs it to its end. */
export const run = (
  args: ReadonlyArray<string>,
  env?: Readonly<Record<string, string>>,
  stdout?: Stdio["stdout"]
): Effect.Effect<Ended> => toItsEnd(start(args, env, stdout))

/** As {@link run}, of another program. */
export const runProgram = (file: string, args: ReadonlyArray<string>): Effect.Effect<Ended> =>
  toItsEnd(startProgram(file, args))

const toItsEnd = (starting: Effect.Effect<Process, never, Scope.Scope>): Effect.Effect<Ended> =>
  Effect.gen(function* () {
    const child = yield* starting
    const exit = yield* child.exit
    return { exit, stdout: child.stdout.lines.join("\n"), stderr: child.stderr.lines.join("\n") }
  }).pipe(Effect.scoped)

/** A standalone gateway on a free port. */
export const startGateway = (env?: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const process = yield* start(["serve", "--port", "0"], env)
    const line = yield* process.stdout.line("The gateway listens on ")
    const url = line.slice("The gateway listens on ".length)
    return { process, url, port: new URL(url).port }
  })

/** One that the tests share, each leaving nothing registered. */
export class Gateway extends Context.Tag("test/cli/Gateway")<
  Gateway,
  Effect.Effect.Success<ReturnType<typeof startGateway>>
>() {
  static readonly layer = Layer.scoped(Gateway, startGateway())
}

/** A server of the test's own. */
export const http = (onRequest: RequestListener) => listening(createHttpServer(onRequest))

/** Something that takes a connection only to close it. */
export const closing = Effect.suspend(() => listening(createServer((socket) => socket.destroy())))

export const freePort = Effect.map(Effect.promise(Port.free), String)

export const get = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url)
    return { status: response.status, body: await response.text() }
  })

const listening = (server: Server): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<string>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(String((server.address() as AddressInfo).port))))
    }),
    () => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
  )

const watch = (child: ChildProcess): Process => {
  // "exit" may come before the last lines do.
  let over = false
  const ended = new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => {
      over = true
      resolve(code ?? signal ?? "unknown")
    })
  })
  const said: Array<string> = []
  return {
    stdout: output(child, child.stdout, said),
    stderr: output(child, child.stderr, said),
    pid: child.pid ?? -1,
    closeStdout: Effect.sync(() => void child.stdout?.destroy()),
    type: (text) => Effect.sync(() => void child.stdin?.write(text)),
    signal: (signal) => Effect.sync(() => void child.kill(signal)),
    kill: Effect.ignore(Effect.try(() => !over && child.pid !== undefined && process.kill(-child.pid, "SIGKILL"))),
    exit: Effect.promise(() => ended)
  }
}

/** `said` is what both of its outputs have said. */
const output = (child: ChildProcess, stream: NodeJS.ReadableStream | null, said: Array<string>): Output => {
  const lines: Array<string> = []
  const reader = createInterface({ input: stream ?? Readable.from([]) }).on("line", (line) => {
    lines.push(line)
    said.push(line)
  })
  const line = (text: string, after?: string) =>
    Effect.async<string, Error>((resume) => {
      let isAfter = after === undefined
      const stop = () => {
        reader.off("line", look)
        child.off("close", fail)
      }
      const look = (line: string) => {
        if (isAfter && line.includes(text)) {
          stop()
          resume(Effect.succeed(line))
        }
        isAfter ||= line.includes(after ?? "")
      }
      const fail = () => {
        stop()
        resume(Effect.fail(new Error(`It ended without ${text}, after: ${said.join("\n")}`)))
      }
      reader.on("line", look)
      child.once("close", fail)
      lines.forEach(look)
      return Effect.sync(stop)
    })
  return { lines, line }
}
