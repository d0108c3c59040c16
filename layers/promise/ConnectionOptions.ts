/**
 * The names of the options that several constructors take.
 *
 * @internal
 */
import type { IPCSocketOptions } from "../../src/connection/IPCSocketOptions.js"
import type { OptionNames } from "../../src/internal/OptionNames.js"
import type { LocalDiscoveryOptions } from "../LocalDiscovery.js"
import type { NodeIPCServerOptions } from "../NodeIPCServer.js"

/** Of every end of a connection. */
export const connectionOptionNames: OptionNames<IPCSocketOptions> = {
  requestTimeout: true,
  heartbeat: true,
  highWaterMark: true,
  maxHandlersInFlight: true,
  maxFrameBytes: true
}

/** Of a server, beside the port. */
export const serverOptionNames: OptionNames<Omit<NodeIPCServerOptions, "port">> = {
  host: true,
  token: true,
  allowWithoutToken: true,
  allowedOrigins: true,
  allowedHosts: true,
  serialization: true,
  maxBodyBytes: true,
  bodyIdleTimeout: true,
  drainTimeout: true,
  metrics: true,
  maxTotalBodyBytes: true,
  ...connectionOptionNames
}

/** Of who takes part in discovery, beside the port. */
export const participantOptionNames: OptionNames<Omit<LocalDiscoveryOptions, "port">> = {
  runtimeId: true,
  tokenScheme: true,
  retry: true,
  connectTimeout: true,
  strategy: true,
  strategies: true,
  limits: true,
  warmUp: true,
  ...serverOptionNames
}
