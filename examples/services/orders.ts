import { FetchHttpClient, HttpApiClient } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schedule, Stream } from "effect"
import { Discovery } from "effect-ipc"
import { GetUser, Logins, Users, UsersApi } from "./api.js"
import { DiscoveryLive } from "./discovery.js"

// #region request
// By a typed request: straight to an instance of users, wherever that is.
const byRequest = Effect.gen(function* () {
  const users = yield* Users
  const { name } = yield* users.request(GetUser, { id: 1 }, { idempotent: true })
  const unknown = yield* users.request(GetUser, { id: 2 }).pipe(
    Effect.as("found"),
    Effect.catchTag("UnknownUser", ({ id }) => Effect.succeed(`unknown user ${id}`))
  )
  const logins = yield* users.stream(Logins).pipe(Stream.take(2), Stream.runCount)
  yield* Console.log(`by request: ${name}; ${unknown}; ${logins} logins`)
})
// #endregion

// #region http
// By HTTP: through the gateway of the leader.
const byHttp = Effect.gen(function* () {
  const users = yield* HttpApiClient.makeWith(UsersApi, { httpClient: yield* Discovery.httpClient("users") })
  const { name } = yield* users.users.get({ path: { id: 1 } })
  yield* Console.log(`by HTTP: ${name}`)
})
// #endregion

// #region launch
const Asking = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { awaitApi } = yield* Discovery
    yield* awaitApi("users", { kind: "http" })
    yield* Effect.all([byRequest, byHttp], { discard: true }).pipe(
      Effect.catchAll((error) => Console.log(error.message)),
      Effect.repeat(Schedule.spaced("200 millis")),
      Effect.forkScoped
    )
  })
)

Asking.pipe(
  Layer.provide([Users.layer, FetchHttpClient.layer]),
  Layer.provide(DiscoveryLive),
  Layer.launch,
  NodeRuntime.runMain
)
// #endregion
