/**
 * NATS servers for tests, on ports that the system chooses: one, or a cluster.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Port from "./Port.js"

export interface NatsServer {
  readonly url: string
  /** What it tells of itself by HTTP, where its configuration has an `http`. */
  readonly monitoring: string
  readonly pid: number
  /** Ends it without a word. */
  readonly kill: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Starts it again after its end, at its port and with what it has stored. */
  readonly restart: Effect.Effect<void, never, Scope.Scope>
  /** Removes what it has stored, while it doesn't run. */
  readonly wipe: Effect.Effect<void>
}

export interface NatsServerOptions {
  /** Lines of its configuration. */
  readonly config?: string
  readonly jetStream?: boolean
  readonly cluster?: { readonly port: number; readonly routes: ReadonlyArray<string> }
}

export const start: (options?: NatsServerOptions) => Effect.Effect<NatsServer, never, Scope.Scope> = Effect.fnUntraced(
  function* (options: NatsServerOptions = {}) {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ipc-nats-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true, maxRetries: 3 }))
    )
    let child: ChildProcess | undefined
    const run = (port: number) =>
      Effect.acquireRelease(
        Effect.promise(async () => {
          child = spawn("nats-server", ["-c", configure(directory, port, options)], { stdio: "ignore" })
          return await portsOf(directory, child)
        }),
        () => Effect.suspend(() => (child === undefined ? Effect.void : end(child)))
      )
    const { monitoring = [], nats } = yield* run(-1)
    const url = nats[0] ?? ""
    const signal = (name: NodeJS.Signals) => Effect.sync(() => child?.kill(name))
    return {
      url,
      monitoring: monitoring[0] ?? "",
      pid: child?.pid ?? 0,
      kill: Effect.suspend(() => (child === undefined ? Effect.void : end(child))),
      stop: signal("SIGSTOP"),
      resume: signal("SIGCONT"),
      wipe: Effect.sync(() => rmSync(join(directory, "store"), { recursive: true, force: true })),
      restart: Effect.asVoid(run(Number(new URL(url).port)))
    }
  }
)

/** Three servers, of which each is connected to the others. Servers of a cluster have to know its ports in advance. */
export const cluster: Effect.Effect<ReadonlyArray<NatsServer>, never, Scope.Scope> = Effect.gen(function* () {
  const ports = yield* Effect.promise(() => Promise.all([Port.free(), Port.free(), Port.free()]))
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`)
  return yield* Effect.forEach(ports, (port) => start({ cluster: { port, routes } }), { concurrency: 3 })
})

const configure = (directory: string, port: number, options: NatsServerOptions): string => {
  const lines = [`listen: "127.0.0.1:${port}"`, `ports_file_dir: "${directory}"`, options.config ?? ""]
  if (options.jetStream !== false) lines.push(`jetstream { store_dir: "${directory}/store" }`)
  if (options.cluster !== undefined) {
    const { port: clusterPort, routes } = options.cluster
    lines.push(`server_name: "${directory.slice(-6)}"`)
    lines.push(`cluster { name: "test", listen: "127.0.0.1:${clusterPort}", routes: ${JSON.stringify(routes)} }`)
  }
  const file = join(directory, "nats.conf")
  writeFileSync(file, lines.join("\n"))
  return file
}

interface Ports {
  readonly nats: ReadonlyArray<string>
  readonly monitoring?: ReadonlyArray<string>
}

/** The server writes where it listens to a file that has its process's number in its name. */
const portsOf = (directory: string, child: ChildProcess): Promise<Ports> =>
  new Promise((resolve, reject) => {
    const look = () => {
      const name = readdirSync(directory).find((file) => file.endsWith(`_${child.pid}.ports`))
      const text = name === undefined ? "" : readFileSync(join(directory, name), "utf8")
      if (!text.trimEnd().endsWith("}")) return
      watcher.close()
      resolve(JSON.parse(text))
    }
    const watcher = watch(directory, look)
    child.once("exit", (code) => {
      watcher.close()
      reject(new Error(`nats-server has ended with ${code}`))
    })
    look()
  })

const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.promise(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, "exit")
    child.kill("SIGKILL")
    await exited
  })
