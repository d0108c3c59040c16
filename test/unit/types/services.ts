/** What the compiler says of services. It is compiled, and never run. */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Discovery } from "../../../src/Discovery.js"
import { IPCClient } from "../../../src/IPCClient.js"
import type { RequestError, ServiceNotRegistered, StreamError } from "../../../src/IPCError.js"
import { IPCServer } from "../../../src/IPCServer.js"
import * as ServiceClient from "../../../src/ServiceClient.js"
import * as ServiceServer from "../../../src/ServiceServer.js"

class NoSuchUser extends Schema.TaggedError<NoSuchUser>()("NoSuchUser", { id: Schema.Number }) {}

const Get = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.Number }),
  success: Schema.String,
  failure: NoSuchUser
})
const Tail = IPCServer.defineStream<void, Date>("users/tail")
const Shout = IPCClient.defineRequest<string, string>("shout")

class Users extends ServiceClient.Tag("users") {}
class Orders extends ServiceClient.Tag("orders") {}

/** Nothing is annotated: payload, success, failure and requirements are inferred. */
export const asked = Effect.gen(function* () {
  const users = yield* Users
  return yield* users.request(Get, { id: 1 }, { idempotent: true })
}) satisfies Effect.Effect<string, NoSuchUser | RequestError | ServiceNotRegistered, ServiceClient.Of<"users">>

export const tailed = (users: ServiceClient.Service) =>
  users.stream(Tail) satisfies Stream.Stream<Date, StreamError | ServiceNotRegistered>

export const layer: Layer.Layer<ServiceClient.Of<"users">, never, Discovery> = Users.layer

// The client of another service isn't this one.
// @ts-expect-error
export const other: Layer.Layer<ServiceClient.Of<"users">, never, Discovery> = Orders.layer

/** The setup's own error and requirement are the Layer's, and its scope isn't. */
export const served = ServiceServer.layer("users", (server) =>
  Effect.gen(function* () {
    const names = yield* IPCClient
    yield* server.handle(Get, ({ id }, { runtimeId = "" }) =>
      id === 1
        ? Effect.orDie(server.request(runtimeId, Shout, "Ada"))
        : Effect.fail(new NoSuchUser({ id: id satisfies number }))
    )
    return yield* Effect.as(Effect.fail("no database" as const), names)
  })
) satisfies Layer.Layer<never, "no database" | ServiceServer.ServiceServerError, Discovery | IPCClient>

export const wrong = (users: ServiceClient.Service) => [
  // @ts-expect-error another payload
  users.request(Get, { id: "1" }),
  // @ts-expect-error a request that clients answer
  users.request(Shout, "Ada"),
  // @ts-expect-error a stream isn't a request
  users.request(Tail),
  // @ts-expect-error another result
  ServiceServer.layer("users", (server) => server.handle(Get, () => Effect.succeed(1))),
  // @ts-expect-error another failure
  ServiceServer.layer("users", (server) => server.handle(Get, () => Effect.fail("no")))
]
