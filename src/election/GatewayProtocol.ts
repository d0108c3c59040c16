/**
 * The election's requests as they are on the wire: what kind of leader answers, and the hand-over to a standalone gateway.
 * The first two are answered to any client; the last is between two of ours.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { IPCClient } from "../IPCClient.js"
import { IPCServer } from "../IPCServer.js"

/**
 * What kind of leader answers, and its own name where it has one: `bin` is a standalone gateway, `embedded` a
 * participant that happens to lead. `others` is how many clients it has beside the one that asks.
 *
 * @since 0.1.0
 * @category models
 */
export const ServerInfo = Schema.Struct({
  kind: Schema.Literal("bin", "embedded"),
  runtimeId: Schema.optional(Schema.String),
  others: Schema.optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ServerInfo extends Schema.Schema.Type<typeof ServerInfo> {}

/**
 * @since 0.1.0
 * @category requests
 */
export const GetServerInfo = IPCServer.defineRequest("discovery/getServerInfo", { success: ServerInfo })

/**
 * Asks an embedded leader to give up the port to a standalone gateway.
 *
 * @since 0.1.0
 * @category requests
 */
export const RequestYield = IPCServer.defineRequest("discovery/requestYield", {})

/**
 * Tells the followers that the leader makes way for a standalone gateway: they are not to bid for its port.
 *
 * @since 0.1.0
 * @category requests
 */
export const Yielding = IPCClient.defineRequest<void, void>("discovery/yielding")
