/**
 * Payloads that are refused by their size and shape before they are parsed.
 *
 * @internal
 */
import type { PayloadLimit } from "../IPCRequest.js"
import * as JsonBounds from "../internal/JsonBounds.js"
import * as Frame from "./Frame.js"
import * as FrameLimit from "./FrameLimit.js"
import type { Packet } from "./Transport.js"

/** A frame that is no longer than this, in UTF-16 units, is within every limit. */
export const unlimitedLength = 1024

/** Why a frame of the request is over its limit; undefined where it isn't. */
export const issueOf = (packet: Packet, name: string, limit: PayloadLimit): string | undefined => {
  // No text has fewer bytes than UTF-16 units, so a very long one needs no counting.
  if (packet.length > limit.bytes || FrameLimit.isExceeded(packet, limit.bytes)) {
    return `a frame of over ${limit.bytes} bytes; ${name} takes no more`
  }
  const { collections } = limit
  // Bytes were bounded in depth as they were read.
  if (collections === undefined || typeof packet !== "string") return undefined
  const values = collections * valuesPerCollection
  const { issue } = JsonBounds.count(packet, Frame.dataStart(packet), { collections, values })
  return issue === undefined ? undefined : `a payload of ${issue}; ${name} takes no more`
}

/** What discovery's own requests have is fewer, and many names of fields are as slow to parse as many objects. */
const valuesPerCollection = 16
