/**
 * Takes part on NATS, and tells when it begins and ends to lead, and each write that it attempts while it does: the word, the
 * term's token, and when that was by the machine's clock.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as NatsDiscovery from "../../../layers/nats/NatsDiscovery.js"
import { LeaderElection } from "../../../src/LeaderElection.js"
import { machineMillis } from "../machineClock.js"

const [servers = "", runtimeId = ""] = process.argv.slice(2)
const say = (word: string, token?: number) =>
  Effect.sync(() => process.stdout.write(`${word} ${token ?? 0} ${machineMillis()}\n`))

const lead = Effect.flatMap(LeaderElection, ({ term, whileLeader }) =>
  whileLeader(
    Effect.flatMap(term, (found) => {
      const token = Option.getOrElse(found, () => 0)
      return Effect.acquireUseRelease(
        say("begin", token),
        () => Effect.forever(Effect.zipRight(say("write", token), Effect.sleep("10 millis"))),
        () => say("end", token)
      )
    })
  )
)

process.stdin.resume().on("close", () => process.exit(0))
await Effect.runPromise(
  Effect.zipRight(say("ready"), lead).pipe(
    Effect.provide(NatsDiscovery.layer({ servers, runtimeId, lease: "1 second" })),
    Effect.provide(Logger.remove(Logger.defaultLogger))
  )
)
