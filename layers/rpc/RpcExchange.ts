/**
 * One request of an `RpcGroup` as a stream: the request, its acknowledgements as input, and its responses.
 *
 * @internal
 */
import type { AckEncoded, FromServerEncoded, RequestEncoded } from "@effect/rpc/RpcMessage"
import { IPCServer } from "../../src/IPCServer.js"

/** Ends with the response that answers the request. Who ends it early interrupts the request. */
export const RpcExchange = IPCServer.defineStream<RequestEncoded, FromServerEncoded, AckEncoded>("rpc/request", {
  input: true
})

/** Whether no response follows. A defect ends every request of its client, and here each request is a client of its own. */
export const isLast = ({ _tag }: FromServerEncoded): boolean => _tag === "Exit" || _tag === "Defect"
