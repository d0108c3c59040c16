/**
 * `npm run terms`: how many leaders are to be killed, cut off and stopped is told by `--kills`, `--cuts` and `--stops`.
 */
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as NatsServer from "../support/NatsServer.js"
import { observe } from "../support/NatsTerms.js"

const count = { type: "string", default: "100" } as const
const { values } = parseArgs({ options: { kills: count, cuts: count, stops: count } })
const program = fileURLToPath(new URL("../support/processes/nats-leader.ts", import.meta.url))

const seen = await Effect.runPromise(
  Effect.scoped(
    Effect.flatMap(NatsServer.start(), ({ url }) =>
      Effect.promise(() =>
        observe(Number(new URL(url).port), ["--import", "tsx", program], {
          kills: Number(values.kills),
          cuts: Number(values.cuts),
          stops: Number(values.stops)
        })
      )
    )
  )
)
console.log(seen)
process.exitCode = seen.overlaps === 0 && seen.lowTokens === 0 && seen.refused === seen.lateWrites ? 0 : 1
