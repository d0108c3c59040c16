import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Schema } from "effect"
import { IPCClient } from "effect-ipc"
import { NodeIPCClient } from "effect-ipc/node"
import { MakeInvoice, NextInvoiceNumber, UnknownOrder } from "../invoices.js"
import { endWithParent } from "./serve.js"

const Order = Schema.Struct({ id: Schema.Number, userId: Schema.Number, total: Schema.Number })
const User = Schema.Struct({ name: Schema.String })

const worker = Effect.gen(function* () {
  // The gateway's address is all it knows: it finds the other services through it.
  const gateway = yield* Config.string("IPC_URL")
  const client = yield* IPCClient
  const http = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)

  const makeInvoice = Effect.fn(function* (orderId: number) {
    const order = yield* http.get(`${gateway}/orders/${orderId}`).pipe(
      Effect.catchTag("ResponseError", () => new UnknownOrder({ orderId })),
      Effect.flatMap(HttpClientResponse.schemaBodyJson(Order))
    )
    const user = yield* http
      .get(`${gateway}/users/${order.userId}`)
      .pipe(Effect.flatMap(HttpClientResponse.schemaBodyJson(User)))
    const number = yield* client.request(NextInvoiceNumber, { orderId })
    return { text: `invoice ${number}: ${user.name} owes ${order.total}` }
  })

  yield* client.handle(MakeInvoice, ({ orderId }) =>
    Effect.catchIf(makeInvoice(orderId), (error) => error._tag !== "UnknownOrder", Effect.die)
  )
  return yield* Effect.never
})

endWithParent()
worker.pipe(Effect.scoped, Effect.provide([NodeIPCClient.layerConfig(), FetchHttpClient.layer]), NodeRuntime.runMain)
