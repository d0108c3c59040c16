import * as Schema from "effect/Schema"
import { IPCClient, IPCServer } from "effect-ipc"

export class UnknownOrder extends Schema.TaggedError<UnknownOrder>()("UnknownOrder", { orderId: Schema.Number }) {}

/** The worker answers it; its failure arrives at the gateway as this same class. */
export const MakeInvoice = IPCClient.defineRequest("invoices/make", {
  payload: Schema.Struct({ orderId: Schema.Number }),
  success: Schema.Struct({ text: Schema.String }),
  failure: UnknownOrder
})

/** The gateway answers it, with the number of the next invoice. */
export const NextInvoiceNumber = IPCServer.defineRequest<{ readonly orderId: number }, number>("invoices/next-number")
