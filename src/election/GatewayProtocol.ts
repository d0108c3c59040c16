/**
 * The election's requests as they are on the wire: what kind of leader answers, and stepping down for a standalone gateway.
 * The first two are answered to any client; the last is between two of ours.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { IPCClient } from "../IPCClient.js"
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

export const GetServerInfo = IPCServer.defineRequest("discovery/getServerInfo", { success: ServerInfo })

/** Asks an embedded leader to step down for a standalone gateway. */
export const RequestStepDown = IPCServer.defineRequest("discovery/requestYield", {})

/** Tells the followers that the leader steps down for a standalone gateway: they are not to bid for its port. */
export const SteppingDown = IPCClient.defineRequest<void, void>("discovery/yielding")
