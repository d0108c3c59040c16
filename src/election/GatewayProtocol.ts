/**
 * The election's requests as they are on the wire: what kind of leader answers, and stepping down for a standalone gateway.
 * The first two are answered to any client; the last is between two of ours.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { IPCClient } from "../IPCClient.js"
import { limited } from "../IPCRequest.js"
import { IPCServer } from "../IPCServer.js"

/**
 * What kind of leader answers, and its runtimeId where it has one: `bin` is a standalone gateway, `embedded` a participant
 * that leads. `others` is how many clients it has beside the one that asks.
 */
export const ServerInfo = Schema.Struct({
  kind: Schema.Literal("bin", "embedded"),
  runtimeId: Schema.optional(Schema.String),
  others: Schema.optional(Schema.Number)
})

export interface ServerInfo extends Schema.Schema.Type<typeof ServerInfo> {}

/** The largest request, in bytes and in lists and objects: none has a payload. */
const small = { bytes: 4096, collections: 1 }

export const GetServerInfo = limited(IPCServer.defineRequest("discovery/getServerInfo", { success: ServerInfo }), small)

/** Asks an embedded leader to step down for a standalone gateway. */
export const RequestStepDown = limited(IPCServer.defineRequest("discovery/requestYield", {}), small)

/** Tells the followers that the leader steps down for a standalone gateway: they are not to bid for its port. */
export const SteppingDown = IPCClient.defineRequest<void, void>("discovery/yielding")
