/**
 * Discovery's requests as they are on the wire. Those named first are answered to any client; the rest are between two
 * of ours.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DiscoveryEntry, Route, RouteChange } from "../DiscoveryEntry.js"
import { IPCClient } from "../IPCClient.js"
import { IPCServer } from "../IPCServer.js"
import { RoutingStrategyName } from "../RoutingStrategy.js"

/**
 * Adds the caller's entries.
 *
 * @since 0.1.0
 * @category requests
 */
export const Register = IPCServer.defineRequest("discovery/register", { payload: Schema.Array(DiscoveryEntry) })

/**
 * Removes entries of the caller's own.
 *
 * @since 0.1.0
 * @category requests
 */
export const Unregister = IPCServer.defineRequest("discovery/unregister", { payload: Schema.Array(DiscoveryEntry) })

/**
 * Where an api is reached.
 *
 * @since 0.1.0
 * @category requests
 */
export const DiscoverApi = IPCServer.defineRequest("discovery/discoverApi", {
  payload: Schema.String,
  success: Schema.Union(
    Schema.Struct({ success: Schema.Literal(true), url: Schema.String }),
    Schema.Struct({ success: Schema.Literal(false), error: Schema.String, hint: Schema.optional(Schema.String) })
  )
})

/**
 * All routes as they are now.
 *
 * @since 0.1.0
 * @category requests
 */
export const GetRoutes = IPCServer.defineRequest("discovery/routes", { success: Schema.Array(Route) })

/**
 * All routes as they are now; from then on every change comes as a {@link Changed} message. The versions grow with every
 * change, so that who has the routes can tell which of the changes are in them.
 *
 * @since 0.1.0
 * @category requests
 */
export const Watch = IPCServer.defineRequest("discovery/watch", {
  success: Schema.Struct({ version: Schema.Number, routes: Schema.Array(Route) })
})

/**
 * @since 0.1.0
 * @category requests
 */
export const Changed = IPCClient.defineRequest("discovery/changed", {
  payload: Schema.Struct({ version: Schema.Number, changes: Schema.Array(RouteChange) })
})

/**
 * Sets an api's strategy, by name: a function can't cross the wire.
 *
 * @since 0.1.0
 * @category requests
 */
export const SetStrategy = IPCServer.defineRequest("discovery/setStrategy", {
  payload: Schema.Struct({ api: Schema.String, strategy: RoutingStrategyName })
})
