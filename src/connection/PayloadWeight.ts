/**
 * What a payload takes in memory, looked at before it is parsed.
 *
 * @internal
 */
import * as JsonBounds from "../internal/JsonBounds.js"
import * as Frame from "./Frame.js"
import * as FrameBytes from "./FrameBytes.js"
import type { Serialization } from "./Subprotocol.js"
import type { Packet } from "./Transport.js"

/** About how many bytes a frame's data takes once parsed, beside the frame; or why it must not be parsed. */
export const of = (packet: Packet, serialization: Serialization | undefined): number | string => {
  if (typeof packet !== "string") return serialization === undefined ? 0 : FrameBytes.weigh(packet, serialization)
  if (packet.length <= JsonBounds.uncheckedLength) return 0
  const weight = JsonBounds.weigh(packet, Frame.dataStart(packet))
  return typeof weight === "string" ? `its data has ${weight}` : weight
}
