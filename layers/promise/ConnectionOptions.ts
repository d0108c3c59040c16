/**
 * The options that every end of a connection has.
 */
import type { IPCSocketOptions } from "../../src/connection/IPCSocketOptions.js"
import type { OptionNames } from "../../src/internal/OptionNames.js"

export const connectionOptionNames: OptionNames<IPCSocketOptions> = {
  requestTimeout: true,
  heartbeat: true,
  highWaterMark: true,
  maxHandlersInFlight: true,
  maxFrameBytes: true
}
