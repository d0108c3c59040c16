/**
 * What a payload takes in memory, looked at before it is parsed.
 *
 * @internal
 */
import * as JsonBounds from "../internal/JsonBounds.js"
import * as Frame from "./Frame.js"
import type { Packet } from "./Transport.js"

/** About how many bytes a frame's data takes beside its text; or why it isn't to be parsed. Bytes are bounded as they are read. */
export const of = (packet: Packet): number | string => {
  if (packet.length <= JsonBounds.uncheckedLength || typeof packet !== "string") return 0
  const weight = JsonBounds.weigh(packet, Frame.dataStart(packet))
  return typeof weight === "string" ? `its data has ${weight}` : weight
}
