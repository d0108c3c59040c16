/**
 * `npm run terms`: leaders on NATS that are killed, cut off and stopped, as many as `--kills`, `--cuts` and `--stops` say. The
 * history of their terms is kept in a file, `--history` or one of the temporary folder, and checked. `--check` checks one that
 * was kept.
 */
import { appendFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { bundle } from "../support/bundle.js"
import * as NatsServer from "../support/NatsServer.js"
import { observe, type Rounds } from "../support/NatsTerms.js"
import * as TermsHistory from "../support/TermsHistory.js"

const count = { type: "string", default: "100" } as const
const { values } = parseArgs({
  options: { kills: count, cuts: count, stops: count, history: { type: "string" }, check: { type: "string" } }
})

/** Events are written as they come: what a run that fails has seen is kept, too. */
const record = async (rounds: Rounds, file: string): Promise<void> => {
  const programs = bundle(["test/support/processes/nats-leader.ts"])
  try {
    await programs.build()
    const program = join(programs.folder, "test/support/processes/nats-leader.js")
    writeFileSync(file, "")
    await Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(NatsServer.start(), ({ url }) =>
          Effect.promise(() =>
            observe(Number(new URL(url).port), [program], rounds, (event) =>
              appendFileSync(file, TermsHistory.line(event))
            )
          )
        )
      )
    )
  } finally {
    programs.remove()
  }
}

const rounds = { kills: Number(values.kills), cuts: Number(values.cuts), stops: Number(values.stops) }
const file = values.check ?? values.history ?? join(tmpdir(), `effect-ipc-terms-${Date.now()}.jsonl`)
if (values.check === undefined) await record(rounds, file)
const findings = TermsHistory.check(TermsHistory.read(file))
console.log(findings)
console.log(`The history is in ${file}.`)
const isDone = findings.kills >= rounds.kills && findings.cuts >= rounds.cuts && findings.stops >= rounds.stops
if (!isDone) console.log(`Fewer leaders were killed, cut off or stopped than ${JSON.stringify(rounds)} asks for.`)
process.exitCode = isDone && findings.violations.length === 0 ? 0 : 1
