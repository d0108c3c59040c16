/** The compiler, as a process of its own. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const tsc = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url))

/** What it says of the folder, which has a tsconfig.json, with paths from `cwd`. */
export const compile = (folder: string, cwd = folder): Promise<string> =>
  new Promise((resolve) => {
    // Its threads would check much of it each.
    const args = [tsc, "--noEmit", "--pretty", "false", "--singleThreaded", "-p", folder]
    execFile(process.execPath, args, { cwd }, (_error, stdout) => resolve(stdout))
  })
