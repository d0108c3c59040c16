/**
 * `npm run simulate`: bundles the simulation, with one of the known defects where `--defect` names one, and runs it.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle } from "./Bundle.js"
import { defects } from "./Defects.js"

/** A run leaves much garbage that is young: a collector with room, without threads of its own, takes a third less. */
const quickCollection = ["--max-semi-space-size=64", "--single-threaded-gc"]

const args = process.argv.slice(2)
const at = args.indexOf("--defect")
const [, name = ""] = at < 0 ? [] : args.splice(at, 2)
const defect = defects[name]
if (at >= 0 && defect === undefined)
  throw new Error(`There is no such defect; there are: ${Object.keys(defects).join("; ")}`)
if (defect !== undefined) args.push("--election", defect.election)

const directory = mkdtempSync(join(tmpdir(), "effect-ipc-simulation-"))
try {
  const file = join(directory, "main.mjs")
  await bundle("main.ts", file, defect)
  process.exitCode = spawnSync(process.execPath, [...quickCollection, file, ...args], { stdio: "inherit" }).status ?? 1
} finally {
  rmSync(directory, { recursive: true })
}
