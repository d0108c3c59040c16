import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Discovery, IPCClient } from "effect-ipc"
import { NodeIPCClient } from "effect-ipc/node"
import { MakeInvoice, NextInvoiceNumber, UnknownOrder } from "../invoices.js"
import { endWithParent } from "./listen.js"
import { AtTheKnownPort, tellRoles } from "./participate.js"

const Order = Schema.Struct({ id: Schema.Number, userId: Schema.Number, total: Schema.Number })
const User = Schema.Struct({ name: Schema.String })

const worker = Effect.gen(function* () {
  const discovery = yield* Discovery
  const client = yield* IPCClient
  const http = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)

  const makeInvoice = Effect.fn(function* (orderId: number) {
    const orders = yield* discovery.discover("orders")
    const order = yield* http.get(`${orders}/orders/${orderId}`).pipe(
      Effect.catchTag("ResponseError", () => new UnknownOrder({ orderId })),
      Effect.flatMap(HttpClientResponse.schemaBodyJson(Order))
    )
    const users = yield* discovery.discover("users")
    const user = yield* http
      .get(`${users}/users/${order.userId}`)
      .pipe(Effect.flatMap(HttpClientResponse.schemaBodyJson(User)))
    const number = yield* client.request(NextInvoiceNumber, { orderId })
    return { text: `invoice ${number}: ${user.name} owes ${order.total}` }
  })

  yield* client.handle(MakeInvoice, ({ orderId }) =>
    Effect.catchIf(makeInvoice(orderId), (error) => error._tag !== "UnknownOrder", Effect.die)
  )
  yield* Console.log("ready")
  yield* tellRoles
})

endWithParent()
worker.pipe(
  Effect.scoped,
  Effect.provide([NodeIPCClient.layerConfig(), AtTheKnownPort, FetchHttpClient.layer]),
  NodeRuntime.runMain
)
