/**
 * The bytes of a body as records have them: text where they are UTF-8, base64 else.
 *
 * @internal
 */
import { isUtf8 } from "node:buffer"
import type { BodyRecord } from "./InspectorProtocol.js"

/** `bytes` is how much was recorded of a body of `size` bytes. */
export const toRecord = (bytes: Buffer, size: number): BodyRecord => {
  if (bytes.length === 0) return { size }
  // A text that is cut within a character is shown as text all the same.
  const text = bytes.length < size ? withoutCutCharacter(bytes) : bytes
  return isUtf8(text) ? { text: text.toString("utf8"), size } : { base64: bytes.toString("base64"), size }
}

/** Without the bytes of a character of which the last ones are missing. */
const withoutCutCharacter = (bytes: Buffer): Buffer => {
  let start = bytes.length - 1
  while (start > bytes.length - 4 && start > 0 && ((bytes[start] as number) & 0xc0) === 0x80) start--
  return bytes.subarray(0, (bytes[start] as number) >= 0xc0 ? start : bytes.length)
}
