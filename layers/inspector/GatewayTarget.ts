/**
 * Which gateway an inspector watches.
 *
 * @since 0.2.0
 */
import type { NodeIPCClientOptions } from "../NodeIPCClient.js"

/**
 * Where the gateway is, and how to prove the token to it.
 *
 * @since 0.2.0
 * @category models
 */
export type GatewayTarget = Pick<NodeIPCClientOptions, "url" | "host" | "port" | "token" | "tokenScheme">
