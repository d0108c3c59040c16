/**
 * What a connection that closes for a frame over its limit tells the peer, so that the peer can name the limit.
 *
 * @internal
 */
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import * as Utf8 from "../internal/Utf8.js"
import type { Packet } from "./Transport.js"

export const exceeded = (limit: number, size?: number): CloseEvent => {
  const reason =
    size === undefined ? `a frame of over ${limit} bytes` : `a frame of ${size} bytes; the limit is ${limit}`
  return { code: CloseCode.TooLarge, reason }
}

/** Whether a frame is over the limit in bytes. */
export const isExceeded = (packet: Packet, limit: number): boolean =>
  // A UTF-16 unit is at most three bytes of UTF-8, so only a long text needs counting.
  packet.length * 3 > limit && sizeOf(packet) > limit

/** A frame's bytes. */
export const sizeOf = (packet: Packet): number => (typeof packet === "string" ? Utf8.sizeOf(packet) : packet.length)

/** What a reason names of it: the limit, and the size of the frame where it was known. */
export const parse = (reason: string): { readonly limit: number; readonly size: number | undefined } | undefined => {
  const over = /^a frame of over (\d+) bytes$/.exec(reason)
  if (over !== null) return { limit: Number(over[1]), size: undefined }
  const named = /^a frame of (\d+) bytes; the limit is (\d+)$/.exec(reason)
  return named === null ? undefined : { limit: Number(named[2]), size: Number(named[1]) }
}
