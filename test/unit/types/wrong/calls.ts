/**
 * Wrong calls, and after each what its author reads. `messages.test.ts` compares it with what the compiler says.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { HttpInterception } from "effect-ipc"
import { IPCClient, IPCPeer, IPCServer } from "effect-ipc"
import { NodeIPCServer } from "effect-ipc/node"
import type { TestGateway } from "effect-ipc/testing"
import { HttpApiMock, Intercept, MemoryIPC } from "effect-ipc/testing"
import { Api } from "../../../integration/interception/api.js"

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

// Interception.

declare const gateway: TestGateway.TestGateway
declare const http: HttpInterception.Service
const Order = Schema.Struct({ item: Schema.String, count: Schema.NumberFromString })

Intercept.get("/users", { header: { a: "1" } })
//! 'header' does not exist in type 'Where & NoMore<Where, Where>'. Did you mean to write 'headers'?
gateway.mock({ path: "/users", qeury: { page: "2" } }, () => 1)
//! Property '"A request matcher has method, path, query, headers, body and api, and no"' is missing in type '{ page: "2"; }' but required in type 'NoSuchPart<"qeury">'.
http.mock({ path: "/users", url: "/" }, () => Effect.void)
//! Type 'string' is not assignable to type 'NoSuchPart<"url">'.
gateway.spy(Intercept.get("/users", { query: { page: 2 } }))
//! Type 'number' is not assignable to type 'ValueMatcher'.
gateway.mock(Intercept.get("/users"), () => Intercept.status(404))
//! A function isn't an answer: pass Intercept.status(404) itself, or return Intercept.status(404)(request)
gateway.mock(Intercept.get("/users"), Intercept.json({}), { time: 1 })
//! 'time' does not exist in type 'MockOptions'. Did you mean to write 'times'?
gateway.mock(Intercept.post("/orders", { body: Order }), ({ body }) => body.count.length)
//! Property 'length' does not exist on type 'number'.
gateway.mock(Intercept.post("/orders", { body: { item: "tea" } }), ({ body }) => body.name)
//! Property 'name' does not exist on type '{ readonly item: string; }'.
gateway.mock(Intercept.post("/orders"), ({ forward }) => forward({ pth: "/" }))
//! 'pth' does not exist in type 'ForwardChanges'. Did you mean to write 'path'?
gateway.session().then((session) => session.mock({ paht: "/" }, () => 1))
//! 'paht' does not exist in type
gateway.session({ strickt: false })
//! 'strickt' does not exist in type 'SessionOptions'. Did you mean to write 'strict'?
gateway.fault(Intercept.any(), Intercept.status(500))
//! Argument of type 'HttpRouteHandler<unknown>' is not assignable to parameter of type 'Fault'.
gateway.replay("a.har", { unmatched: "pass" })
//! Type '"pass"' is not assignable to type '"fail" | "forward" | undefined'.
gateway.worker({ command: "python3 app.py" })
//! Type 'string' is not assignable to type 'readonly string[] | ((port: number) => readonly string[])'.
HttpApiMock.endpoint(Api, "users", "lose", () => Effect.void)
//! Argument of type '"lose"' is not assignable to parameter of type '"create" | "find" | "remove"'.
HttpApiMock.endpoint(Api, "health", "check", () => Effect.succeed(7))
//! Type 'number' is not assignable to type 'string | HttpServerResponse'.
gateway.mockEndpoint(Api, "users", "remove", ({ path }) => path.id.length)
//! Property 'length' does not exist on type 'number'.
