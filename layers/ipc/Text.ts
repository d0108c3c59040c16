/**
 * Text that arrives as bytes.
 *
 * @internal
 */
import { isAscii, isUtf8 } from "node:buffer"

/** The text that these bytes of UTF-8 are; undefined where they aren't UTF-8. */
export const of = (bytes: Buffer): string | undefined => {
  // As Latin-1 a text is copied, not decoded.
  if (isAscii(bytes)) return bytes.toString("latin1")
  return isUtf8(bytes) ? bytes.toString() : undefined
}
