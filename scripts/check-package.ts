/**
 * Looks at the package as its users' tools will: packs it, unless a tarball is named, lints the tarball, installs it elsewhere,
 * imports each entry in plain Node, does what the README and the docs say of two programs and of bundlers, type-checks a program
 * that uses it, and emits declarations for every export. Most of it takes one processor, so two things are done at a time.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const root = fileURLToPath(new URL("..", import.meta.url))
const consumer = fileURLToPath(new URL("./consumer", import.meta.url))
const windows = process.platform === "win32"

/** Aborted by the first failure: what runs then may end, and nothing is started any more. */
const failure = new AbortController()

const run = async (command: string, args: ReadonlyArray<string>, cwd: string): Promise<string> => {
  failure.signal.throwIfAborted()
  const start = performance.now()
  const shown = `${command} ${args.join(" ")}`.replaceAll(root, "").replaceAll(folder, "")
  try {
    const options = { cwd, encoding: "utf8", shell: windows, maxBuffer: 2 ** 26 } as const
    const running = promisify(execFile)(command, args, options)
    // What asks for input gets none, in place of waiting for it.
    running.child.stdin?.end()
    const { stdout } = await running
    console.log(`ok    ${shown}  (${((performance.now() - start) / 1000).toFixed(1)} s)`)
    return stdout
  } catch (error) {
    const { message, stdout } = error as Error & { readonly stdout?: string }
    // The message has what it wrote to stderr.
    throw new Error(`${shown} failed:\n${stdout ?? ""}${message}`)
  }
}

/** The help is printed in no more than four times what Node itself takes to start; the least of several times counts. */
const checkStartUp = (command: string): void => {
  const time = (args: ReadonlyArray<string>): number => {
    const start = performance.now()
    execFileSync(process.execPath, args, { stdio: "ignore" })
    return performance.now() - start
  }
  let [help, bare] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let i = 0; i < 5 || (i < 50 && help > 4 * bare); i++) {
    help = Math.min(help, time([command, "--help"]))
    bare = Math.min(bare, time(["-e", "0"]))
  }
  const told = `effect-ipc --help: ${help.toFixed(0)} ms, node -e 0: ${bare.toFixed(0)} ms`
  if (help > 4 * bare) throw new Error(`${told}, more than four times as long`)
  console.log(`ok    ${told}`)
}

const readme = readFileSync(join(root, "README.md"), "utf8")

/** The lines of the README's first block of commands with such a line. */
const commandsWith = (text: string): ReadonlyArray<string> => {
  const blocks = Array.from(readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm), ([, block]) => block as string)
  const block = blocks.find((block) => block.includes(text))
  if (block === undefined) throw new Error(`The README has no command ${text}`)
  return block.trim().split("\n")
}

/** Does what the README says in a folder of its own: installs, saves the two programs, runs each, and ends them with Ctrl-C. */
const checkTwoPrograms = async (tarball: string): Promise<void> => {
  const fresh = join(folder, "fresh")
  mkdirSync(fresh)
  for (const command of commandsWith("npm install effect-ipc")) {
    for (const part of command.replace(" effect-ipc ", ` ${tarball} `).split(" && ")) {
      const [name = "", ...args] = part.split(" ")
      await run(
        name,
        [...args, ...(args[0] === "install" ? ["--no-audit", "--no-fund", "--prefer-offline"] : [])],
        fresh
      )
    }
  }
  for (const [, name, code] of readme.matchAll(/^<!-- example: two-programs\/(\S+) -->\n```ts\n([\s\S]*?)^```$/gm)) {
    writeFileSync(join(fresh, name as string), code as string)
  }
  const env = { ...process.env, IPC_PORT: String(await freePort()) }
  // The client first: it waits for the server.
  const programs = commandsWith("npx tsx")
    .toReversed()
    .map((command) => {
      // What npx and tsx start, without them in between: the signal and the exit are the program's own.
      const args = ["--import", "tsx", command.replace("npx tsx ", "")]
      const child = spawn(process.execPath, args, { cwd: fresh, env, stdio: ["ignore", "pipe", "inherit"] })
      return { command, child, exited: once(child, "exit"), lines: createInterface(child.stdout) }
    })
  try {
    const [client] = programs
    if (programs.length !== 2 || client === undefined) throw new Error("The README doesn't run two programs")
    const timer = setTimeout(() => client.lines.close(), 60_000)
    let answered = false
    for await (const line of client.lines) {
      answered = line === "Hello, Ada!"
      if (answered) break
    }
    clearTimeout(timer)
    if (!answered) throw new Error("The README's client had no answer from its server")
    await Promise.all(programs.map(endByCtrlC))
  } finally {
    for (const { child } of programs) child.kill("SIGKILL")
  }
  console.log("ok    the README's two programs, each ended by Ctrl-C with 0")
}

/** It exits with 0, and soon. Windows has no such signal: there the program is killed. */
const endByCtrlC = async (program: {
  readonly command: string
  readonly child: ChildProcess
  readonly exited: Promise<ReadonlyArray<unknown>>
}): Promise<void> => {
  const { child, command, exited } = program
  child.kill("SIGINT")
  const limit = new AbortController()
  const exit = await Promise.race([exited, delay(20_000, undefined, { signal: limit.signal })])
  limit.abort()
  if (exit === undefined) throw new Error(`${command} still runs 20 s after Ctrl-C`)
  const [code, signal] = exit
  if (code !== 0 && !windows) throw new Error(`${command} ended by Ctrl-C with ${code ?? signal}, not with 0`)
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

/** The bundler's command of the docs gives a program that works. */
const checkBundle = async (): Promise<void> => {
  const setup = readFileSync(join(root, "docs", "setup.md"), "utf8")
  const [, banner] = /^npx esbuild main\.mjs (?:.*) --banner:js='(.*)'$/m.exec(setup) ?? []
  if (banner === undefined) throw new Error("docs/setup.md has no command for esbuild")
  const options = ["--bundle", "--platform=node", "--format=esm", "--outfile=bundle.mjs", `--banner:js=${banner}`]
  await run(tool("esbuild"), ["bundled.mjs", ...options], folder)
  await run(process.execPath, ["bundle.mjs"], folder)
}

/** A version of Node by its package, which brings the binary. */
const pathOf = async (version: string): Promise<string> =>
  (await run("npx", ["--yes", version, "--print", "process.execPath"], tmpdir())).trim()

const tool = (name: string): string => join(root, "node_modules", ".bin", windows ? `${name}.cmd` : name)

const installed = (name: string): string => {
  const { version } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"))
  return `${name}@${version}`
}

/** Each entry, and the command, where they may be run. */
const checkRuntimes = async (): Promise<void> => {
  for (const node of [process.execPath, await pathOf("node@22"), await pathOf("node@24")]) {
    for (const program of ["imports.mjs", "command.mjs"]) await run(node, [program], folder)
  }
  await run("npx", ["--yes", "deno@2", "run", "--allow-all", "imports.mjs"], folder)
  await run("npx", ["--yes", "bun@1", "bun.mjs"], folder)
}

const pack = async (): Promise<string> => {
  await run("npm", ["pack", "--pack-destination", folder], root)
  return join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) as string)
}

const checkTarball = async (tarball: string): Promise<void> => {
  await run(tool("publint"), ["run", "--strict", tarball], root)
  await run(tool("attw"), ["--profile", "esm-only", tarball], root)
}

const installConsumer = async (tarball: string): Promise<void> => {
  cpSync(consumer, folder, { recursive: true })
  cpSync(join(root, "examples", "isolated-declarations.ts"), join(folder, "isolated-declarations.ts"))
  const peers = [
    "effect",
    "@effect/platform",
    "@effect/rpc",
    "@types/node",
    "http-proxy",
    "@nats-io/transport-node",
    "@nats-io/jetstream",
    "@nats-io/kv"
  ].map(installed)
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball, ...peers], folder)
}

const checkTypes = async (tsc: string): Promise<void> => {
  console.log(`      TypeScript ${(await run(tsc, ["--version"], folder)).trim()}`)
  for (const project of ["nodenext", "bundler", "isolated"]) await run(tsc, ["-p", `tsconfig.${project}.json`], folder)
}

/** Does the steps of each list in turn, the lists beside each other. Fails with what failed first, once all have ended. */
const sideBySide = async (...lists: ReadonlyArray<ReadonlyArray<() => Promise<void>>>): Promise<void> => {
  await Promise.all(
    lists.map(async (steps) => {
      try {
        for (const step of steps) await step()
      } catch (error) {
        failure.abort(error)
      }
    })
  )
  failure.signal.throwIfAborted()
}

// The real path: on macOS the temporary folder is a link, which would give each file two names.
const folder = realpathSync(mkdtempSync(join(tmpdir(), "effect-ipc-package-")))

try {
  const [tarball = await pack()] = process.argv.slice(2).map((path) => resolve(path))
  await sideBySide([() => installConsumer(tarball)], [() => checkTarball(tarball)])
  // No other step of this check is under way, since it measures.
  checkStartUp(join(folder, "node_modules", "effect-ipc", "dist", "layers", "cli", "main.js"))
  console.log(`      ${(await run(process.execPath, ["public-api.mjs"], folder)).trim()}`)
  // The consumer's own TypeScript is the line before ours, and takes several times as long.
  const theirs = join(folder, "node_modules", ".bin", windows ? "tsc.cmd" : "tsc")
  await sideBySide(
    [() => checkTypes(theirs)],
    [() => checkTwoPrograms(tarball), checkRuntimes, checkBundle, () => checkTypes(tool("tsc"))]
  )
  console.log("The package is as its users need it.")
} catch (error) {
  console.error(`\nFAILED ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
