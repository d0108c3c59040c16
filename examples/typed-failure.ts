import { Console, Effect, Schema } from "effect"
import { IPCClient, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"

// #region request
class UserNotFound extends Schema.TaggedError<UserNotFound>()("UserNotFound", { id: Schema.Number }) {}

const User = Schema.Struct({ id: Schema.Number, name: Schema.String, joined: Schema.Date })

// With Schemas both ends validate, and values such as a Date arrive as what they were.
const GetUser = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.Number }),
  success: User,
  failure: UserNotFound
})
// #endregion

// #region server
const serve = Effect.gen(function* () {
  const server = yield* IPCServer
  yield* server.handle(GetUser, ({ id }) =>
    id === 1 ? Effect.succeed({ id, name: "Ada", joined: new Date("2024-12-10") }) : new UserNotFound({ id })
  )
  return server.url
})
// #endregion

// #region client
const nameOf = (id: number) =>
  Effect.gen(function* () {
    const client = yield* IPCClient
    const user = yield* client.request(GetUser, { id })
    return `${user.name}, since ${user.joined.getFullYear()}`
  }).pipe(Effect.catchTag("UserNotFound", (error) => Effect.succeed(`no user has id ${error.id}`)))
// #endregion

const main = Effect.gen(function* () {
  const url = yield* serve
  const client = NodeIPCClient.layer({ url })
  yield* Effect.forEach([1, 2], (id) => Effect.flatMap(nameOf(id), Console.log)).pipe(Effect.provide(client))
}).pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer()))

await Effect.runPromise(main)
