/**
 * Wrong calls, and after each what its author reads. `messages.test.ts` compares it with what the compiler says.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { IPCClient, IPCPeer, IPCServer } from "effect-ipc"
import { NodeIPCServer } from "effect-ipc/node"
import { MemoryIPC } from "effect-ipc/testing"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.Number }) {}
class Database extends Effect.Service<Database>()("Database", { succeed: {} }) {}

const Sum = IPCServer.defineRequest<{ readonly a: number; readonly b: number }, number>("sum")
const Restart = IPCClient.defineRequest<{ readonly delay: number }, boolean>("restart")
const Find = IPCServer.defineRequest("find", { success: Schema.String, failure: NotFound })

declare const client: IPCClient.Service
declare const server: IPCServer.Service
declare const Row: Schema.Schema<string, string, Database>

// Schemas.

IPCServer.defineRequest("row", { payload: Row })
//! Property '"The Schemas of a request can't need services, and this one needs"' is missing in type 'Schema<string, string, Database>' but required in type 'ServicesNeeded<Database>'.
IPCClient.defineRequest("rows", { success: Schema.Array(Row) })
//! required in type 'ServicesNeeded<Database>'
IPCServer.defineRequest("row", { failure: Schema.Struct({ row: Row }) })
//! required in type 'ServicesNeeded<Database>'
IPCServer.defineRequest("row", { payload: Schema.String, sucess: Schema.String })
//! 'sucess' does not exist in type
IPCServer.defineRequest("row", { payload: "string" })
//! Type 'string' is not assignable to type

// The end that answers.

client.request(Restart, { delay: 1 })
//! Argument of type 'BrandedRequest<"client", { readonly delay: number; }, boolean>' is not assignable to parameter of type 'ServerRequest<{ readonly delay: number; }, boolean, never>'. The types of '[Shape].answeredBy' are incompatible between these types. Type '"client"' is not assignable to type '"server"'.
server.request("worker", Sum, { a: 1, b: 2 })
//! The types of '[Shape].answeredBy' are incompatible between these types. Type '"server"' is not assignable to type '"client"'.
client.handle(Sum, ({ a, b }) => Effect.succeed(a + b))
//! The types of '[Shape].answeredBy' are incompatible between these types. Type '"server"' is not assignable to type '"client"'.
client.request("sum", { a: 1, b: 2 })
//! Argument of type 'string' is not assignable to parameter of type 'ServerRequest<

// Payloads and answers.

client.request(Sum, { a: 1, b: "2" })
//! Type 'string' is not assignable to type 'number'.
client.request(Sum)
//! Expected 2-3 arguments, but got 1.
server.handle(Sum, () => Effect.succeed("3"))
//! Type 'string' is not assignable to type 'number'.
server.handle(Sum, ({ a, b }) => a + b)
//! Type 'number' is not assignable to type 'Effect<number, unknown, never>'.
server.handle(Find, () => Effect.fail("nothing there"))
//! Type 'string' is not assignable to type 'NotFound'.

// Layers.

Effect.provide(
  Effect.flatMap(IPCServer, ({ url }) => Effect.log(url)),
  MemoryIPC.layer()
) satisfies Effect.Effect<void>
//! Type 'IPCServer' is not assignable to type 'never'.
NodeIPCServer.layerConfig({ port: "9000" })
//! Type 'string' is not assignable to type 'number | Config<number> | undefined'.
Effect.flatMap(IPCPeer, ({ interceptHttp }) => interceptHttp)
//! Property 'interceptHttp' does not exist on type 'IPCPeer'.
