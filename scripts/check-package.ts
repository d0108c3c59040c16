/**
 * Looks at the package as its users' tools will: packs it, lints the tarball, installs it elsewhere, imports each entry
 * in plain Node, type-checks a program that uses it, and emits declarations for every export.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const consumer = fileURLToPath(new URL("./consumer", import.meta.url))
const windows = process.platform === "win32"

const run = (command: string, args: ReadonlyArray<string>, cwd: string): string => {
  const start = performance.now()
  const shown = `${command} ${args.join(" ")}`.replaceAll(root, "").replaceAll(folder, "")
  try {
    const output = execFileSync(command, args, { cwd, encoding: "utf8", stdio: "pipe", shell: windows })
    console.log(`ok    ${shown}  (${((performance.now() - start) / 1000).toFixed(1)} s)`)
    return output
  } catch (error) {
    const { stderr, stdout } = error as { readonly stdout?: string; readonly stderr?: string }
    throw new Error(`${shown} failed:\n${stdout ?? ""}${stderr ?? ""}`)
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

/** A version of Node by its package, which brings the binary. */
const pathOf = (version: string): string =>
  run("npx", ["--yes", version, "--print", "process.execPath"], tmpdir()).trim()

const tool = (name: string): string => join(root, "node_modules", ".bin", windows ? `${name}.cmd` : name)

const installed = (name: string): string => {
  const { version } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"))
  return `${name}@${version}`
}

// The real path: on macOS the temporary folder is a link, which would give each file two names.
const folder = realpathSync(mkdtempSync(join(tmpdir(), "effect-ipc-package-")))

try {
  run("npm", ["pack", "--pack-destination", folder], root)
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) as string)
  run(tool("publint"), ["run", "--strict", tarball], root)
  run(tool("attw"), ["--profile", "esm-only", tarball], root)

  cpSync(consumer, folder, { recursive: true })
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
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball, ...peers], folder)
  const nodes = [process.execPath, ...["node@22", "node@24"].map(pathOf)]
  for (const node of nodes) for (const program of ["imports.mjs", "command.mjs"]) run(node, [program], folder)
  run("npx", ["--yes", "deno@2", "run", "--allow-all", "imports.mjs"], folder)
  run("npx", ["--yes", "bun@1", "bun.mjs"], folder)
  checkStartUp(join(folder, "node_modules", "effect-ipc", "dist", "layers", "cli", "main.js"))
  console.log(`      ${run(process.execPath, ["public-api.mjs"], folder).trim()}`)
  // The consumer's own TypeScript is the line before ours.
  for (const tsc of [tool("tsc"), join(folder, "node_modules", ".bin", windows ? "tsc.cmd" : "tsc")]) {
    console.log(`      TypeScript ${run(tsc, ["--version"], folder).trim()}`)
    for (const project of ["nodenext", "bundler"]) run(tsc, ["-p", `tsconfig.${project}.json`], folder)
  }
  console.log("The package is as its users need it.")
} catch (error) {
  console.error(`\nFAILED ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
