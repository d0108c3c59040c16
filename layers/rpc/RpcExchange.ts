/**
 * One request of an `RpcGroup` as a stream: the request, its acknowledgements as input, and its responses.
 *
 * @internal
 */
import type { AckEncoded, FromServerEncoded, RequestEncoded } from "@effect/rpc/RpcMessage"
import { IPCServer } from "../../src/IPCServer.js"

/** Ends with the last response of the request. Ending it earlier interrupts the request. */
export const RpcExchange = IPCServer.defineStream<RequestEncoded, FromServerEncoded, AckEncoded>("rpc/request", {
  input: true
})

/** Whether no response follows. In `@effect/rpc` a defect ends all requests of a client; here each client has one request. */
export const isLast = ({ _tag }: FromServerEncoded): boolean => _tag === "Exit" || _tag === "Defect"
