/**
 * A measured program in a process of its own, told what to do over Node's process channel.
 */
import { type ChildProcess, fork } from "node:child_process"
import { existsSync, mkdirSync, symlinkSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

/** A checkout's programs, which import the library by its name, and so get the build of that checkout. */
export const programsOf = (checkout: string): URL => {
  if (!existsSync(join(checkout, "dist"))) throw new Error(`${checkout} isn't built: run \`npm run build\` there.`)
  const link = join(checkout, "bench/node_modules/effect-ipc")
  if (!existsSync(link)) {
    mkdirSync(join(checkout, "bench/node_modules"), { recursive: true })
    symlinkSync("../..", link, "dir")
  }
  return pathToFileURL(`${resolve(checkout, "bench/programs")}/`)
}

/** This checkout. */
export const root = fileURLToPath(new URL("..", import.meta.url))

/** In bytes. */
export interface Memory {
  readonly rss: number
  /** V8's heap, and what it holds outside. */
  readonly heap: number
  /** The part of `rss` that V8 keeps for new objects: it grows with what the process does, to 32 MiB, not with what it holds. */
  readonly young: number
}

/** Runs a file of `programs/` on plain Node: what loads TypeScript would be measured with it. */
export class Program {
  private lastId = 0
  private errors = ""
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  private exit: Error | undefined

  private constructor(private readonly child: ChildProcess) {
    child.stderr?.on("data", (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-2000)
    })
    child.on("message", ({ id, value, error }: { id: number; value: unknown; error?: string }) => {
      const { reject, resolve } = this.waiting.get(id) ?? {}
      this.waiting.delete(id)
      if (error === undefined) resolve?.(value)
      else reject?.(new Error(error))
    })
    child.on("exit", (code, signal) => {
      this.exit = new Error(`${child.spawnargs.slice(1).join(" ")} ended (${code ?? signal}): ${this.errors}`)
      for (const { reject } of this.waiting.values()) reject(this.exit)
      this.waiting.clear()
    })
  }

  /** `folder` is where the programs are: those of another checkout measure that one's build. */
  static async start(
    file: string,
    args: ReadonlyArray<string> = [],
    execArgv: Array<string> = [],
    folder: URL = programsOf(root)
  ): Promise<Program> {
    const path = fileURLToPath(new URL(file, folder))
    const child = fork(path, args, { execArgv, stdio: ["ignore", "ignore", "pipe", "ipc"] })
    const program = new Program(child)
    await program.answer(0)
    return program
  }

  /** Calls one of the program's functions. */
  ask<A>(call: string, ...args: ReadonlyArray<unknown>): Promise<A> {
    const id = ++this.lastId
    this.child.send({ id, call, args })
    return this.answer(id) as Promise<A>
  }

  /** The processor time, in milliseconds, that the program has taken so far. */
  cpu(): Promise<number> {
    return this.ask("cpu")
  }

  /** What the program holds once its garbage is collected. It needs `--expose-gc`. */
  memory(): Promise<Memory> {
    return this.ask("memory")
  }

  async stop(): Promise<void> {
    if (this.exit !== undefined) return
    const exited = new Promise((resolve) => this.child.once("exit", resolve))
    if (this.child.connected) this.child.disconnect()
    const kill = setTimeout(() => this.child.kill("SIGKILL"), 3000)
    await exited
    clearTimeout(kill)
  }

  private answer(id: number): Promise<unknown> {
    if (this.exit !== undefined) return Promise.reject(this.exit)
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }))
  }
}

/** Prints once why something isn't measured, and goes on without it. */
export const orSkip = async <A>(what: string, start: () => Promise<A>): Promise<A | undefined> => {
  try {
    return await start()
  } catch (error) {
    console.log(`  skipped: ${what}: ${String(error instanceof Error ? error.message : error).split("\n", 1)[0]}`)
    return undefined
  }
}

/** Two at a time, as the smallest supported machine has two processors. */
export const inPairs = async <A, B>(
  all: ReadonlyArray<A>,
  start: (one: A) => Promise<B>
): Promise<ReadonlyArray<B>> => {
  const started: Array<B> = []
  for (let i = 0; i < all.length; i += 2) started.push(...(await Promise.all(all.slice(i, i + 2).map(start))))
  return started
}
