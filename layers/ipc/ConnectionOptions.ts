/**
 * What the options that several modules take may be.
 *
 * @internal
 */
import type { IPCSocketOptions } from "../../src/connection/IPCSocketOptions.js"
import type { SocketTransportOptions } from "../../src/connection/SocketTransport.js"
import type { RegistryLimits } from "../../src/discovery/RegistryLimits.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import type { OptionNames } from "../../src/internal/OptionNames.js"
import { issueOf } from "../../src/internal/OptionNames.js"

export const serializationIssue = ArgumentIssue.oneOfIssue("json", "msgpack")

export const tokenSchemeIssue = ArgumentIssue.oneOfIssue("proof", "bearer")

/** Of every end of a connection. */
export const connectionOptionNames: OptionNames<IPCSocketOptions> = {
  requestTimeout: ArgumentIssue.durationIssue,
  heartbeat: ArgumentIssue.durationIssue,
  highWaterMark: ArgumentIssue.numberIssue,
  maxHandlersInFlight: ArgumentIssue.numberIssue,
  maxFrameBytes: ArgumentIssue.numberIssue
}

/** Of an end on a platform socket. */
export const socketOptionNames: OptionNames<IPCSocketOptions & SocketTransportOptions> = {
  framing: ArgumentIssue.oneOfIssue("lines", "messages"),
  extended: ArgumentIssue.flagIssue,
  ...connectionOptionNames
}

/** Of a registry's bounds. */
export const limitsIssue = (name: string, limits: unknown): string | undefined =>
  issueOf(name, limits, {
    maxEntriesPerParticipant: ArgumentIssue.numberIssue,
    maxEntries: ArgumentIssue.numberIssue,
    maxEntryBytes: ArgumentIssue.numberIssue
  } satisfies OptionNames<RegistryLimits>)
