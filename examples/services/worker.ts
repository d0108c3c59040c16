import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schedule } from "effect"
import { LeaderElection } from "effect-ipc"
import { GetUser, Users } from "./api.js"
import { DiscoveryLive } from "./discovery.js"

// #region leader
// Of all processes at the port the leader alone does this; the next leader goes on with it.
const sendNewsletter = Effect.gen(function* () {
  const users = yield* Users
  const { name } = yield* users.request(GetUser, { id: 1 }, { idempotent: true, timeout: "1 minute" })
  yield* Console.log(`the leader writes to ${name}`)
}).pipe(Effect.catchAll((error) => Console.log(error.message)))

const Newsletter = Layer.scopedDiscard(
  Effect.flatMap(LeaderElection, ({ whileLeader }) =>
    Effect.forkScoped(whileLeader(Effect.repeat(sendNewsletter, Schedule.spaced("200 millis"))))
  )
)
// #endregion

Newsletter.pipe(Layer.provide(Users.layer), Layer.provide(DiscoveryLive), Layer.launch, NodeRuntime.runMain)
