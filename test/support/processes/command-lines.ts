/**
 * Runs command lines, given as JSON, one after the other as the command would, and says which exit codes they set.
 */
import * as Effect from "effect/Effect"
import { program } from "../../../layers/cli/command.js"

const commandLines = JSON.parse(process.argv[2] ?? "") as ReadonlyArray<ReadonlyArray<string>>

const exitCodes = Effect.forEach(commandLines, (args) =>
  Effect.map(program([process.execPath, "effect-ipc", ...args]), () => {
    const { exitCode } = process
    process.exitCode = undefined
    return exitCode
  })
)

console.log(JSON.stringify(await Effect.runPromise(exitCodes)))
