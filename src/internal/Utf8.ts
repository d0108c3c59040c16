/**
 * How many bytes a text is in UTF-8.
 *
 * @internal
 */

/** Part by part, since a text may be as long as the memory that its bytes would take. */
export const sizeOf = (text: string): number => {
  let size = 0
  let from = 0
  while (from < text.length) {
    // Read as far as `part` has room: no pair of surrogates is parted.
    const { read, written } = encoder.encodeInto(from === 0 ? text : text.slice(from), part)
    from += read
    size += written
  }
  return size
}

const encoder = new TextEncoder()
const part = new Uint8Array(64 * 1024)
