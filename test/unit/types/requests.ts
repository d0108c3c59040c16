/**
 * What doesn't compile, and what is inferred. Nothing here runs: `tsc --noEmit` is the test, and an expected error that
 * doesn't occur is an error.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { BrandedRequest, SchemaRequest } from "effect-ipc"
import { IPCClient, IPCServer } from "effect-ipc"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.Number }) {}
class Other extends Schema.TaggedError<Other>()("Other", {}) {}

/** Answered by the server. */
const Sum = IPCServer.defineRequest<{ readonly a: number; readonly b: number }, number>("sum")
const Ping = IPCServer.defineRequest("ping")
const GetUser = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.NumberFromString }),
  success: Schema.Struct({ name: Schema.String }),
  failure: NotFound
})

/** Answered by a client. */
const Restart = IPCClient.defineRequest<{ readonly delay: number }, boolean>("restart")

declare const client: IPCClient.Service
declare const server: IPCServer.Service

// The direction.

// @ts-expect-error the client asks the server, which doesn't answer this
client.request(Restart, { delay: 1 })
// @ts-expect-error the client doesn't answer what the server does
client.handle(Sum, ({ a, b }) => Effect.succeed(a + b))
// @ts-expect-error the server doesn't answer what a client does
server.handle(Restart, () => Effect.succeed(true))
// @ts-expect-error the server asks its clients, which don't answer this
server.request("worker", Sum, { a: 1, b: 2 })
// @ts-expect-error nor with Schemas
server.request("worker", GetUser, { id: 1 })
// @ts-expect-error a message has a direction too
client.notify(Restart, { delay: 1 })
// @ts-expect-error and so has a broadcast
server.broadcast(Sum, { a: 1, b: 2 })
// @ts-expect-error a name alone is no request
client.request("sum", { a: 1, b: 2 })

// The payload.

// @ts-expect-error a property of the wrong type
client.request(Sum, { a: 1, b: "2" })
// @ts-expect-error a property is missing
client.request(Sum, { a: 1 })
// @ts-expect-error one too many
client.request(Sum, { a: 1, b: 2, c: 3 })
// @ts-expect-error no payload
client.request(Sum)
// @ts-expect-error options aren't the payload
client.request(Sum, { timeout: 1000 })
// @ts-expect-error this one takes none
client.request(Ping, { a: 1 })
// @ts-expect-error the payload is the Schema's type, not what it is encoded as
client.request(GetUser, { id: "1" })
// @ts-expect-error no payload
server.request("worker", Restart)
// @ts-expect-error no such option
client.request(Ping, undefined, { timeuot: 1000 })
// @ts-expect-error only a client's request can be sent again
server.request("worker", Restart, { delay: 1 }, { idempotent: true })

// The handler.

// @ts-expect-error the result is a number
server.handle(Sum, () => Effect.succeed("3"))
// @ts-expect-error the result is an object with a name
server.handle(GetUser, ({ id }) => Effect.succeed({ id }))
// @ts-expect-error the failure isn't the declared one
server.handle(GetUser, () => new Other())
// @ts-expect-error the result isn't an Effect
server.handle(Sum, ({ a, b }) => a + b)
// @ts-expect-error the payload has no such property
server.handle(Sum, ({ c }) => Effect.succeed(c))

// What a request is.

// @ts-expect-error a branded request isn't one of another payload
export const other: BrandedRequest<"server", string, number> = Sum
// @ts-expect-error nor of another success
export const otherToo: SchemaRequest<"server", { readonly id: number }, string, NotFound> = GetUser
// @ts-expect-error a Schema that needs services can't be run at both ends
IPCServer.defineRequest("needs", { payload: {} as Schema.Schema<string, string, "a service"> })

// What compiles, without an annotation at the call.

client.request(Ping)
client.request(Ping, undefined, { timeout: "1 second", idempotent: true })
client.request(Sum, { a: 1, b: 2 }, { timeout: 1000 })
client.notify(Ping)
server.request("worker", Restart, { delay: 1 })
server.handle(Sum, ({ a, b }, { clientId }) => Effect.succeed(a + b + clientId.length))
server.handle(Ping, () => Effect.void)
server.handle(Sum, () => Effect.fail("any failure, where none is declared"))
server.handle(GetUser, ({ id }) => (id > 0 ? Effect.succeed({ name: "Ada" }) : new NotFound({ id })))
