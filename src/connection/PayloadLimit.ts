/**
 * Payloads that are refused by their size and shape before they are parsed.
 *
 * @internal
 */
import type { PayloadLimit } from "../IPCRequest.js"
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
  const most = limit.collections
  // Bytes were bounded in depth as they were read.
  return most === undefined || typeof packet !== "string" || isWithin(packet, most)
    ? undefined
    : `a payload of more than ${most} lists and objects; ${name} takes no more`
}

/** Whether the JSON in the text opens no more lists and objects than this. JSON that nests deeply is slow to parse. */
const isWithin = (text: string, most: number): boolean => {
  let count = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === doubleQuote) inString = !inString
    else if (inString && code === backslash) i++
    else if (!inString && (code === brace || code === bracket) && ++count > most) return false
  }
  return true
}

const doubleQuote = 34
const backslash = 92
const bracket = 91
const brace = 123
