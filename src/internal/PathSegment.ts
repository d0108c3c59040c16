/**
 * Segments of a URL's path in one spelling: what the syntax doesn't allow in a segment is percent-encoded, with digits in
 * upper case, and nothing else is (RFC 3986 section 6.2.2, and the delimiters that mean nothing to a gateway besides).
 *
 * @internal
 */

/** What a segment may have as it is: `pchar` without percent-encoding (RFC 3986 section 3.3). */
const allowed = "A-Za-z0-9\\-._~!$&'()*+,;=:@"

const isCanonical = new RegExp(`^[${allowed}]*$`)

const parts = new RegExp(`%[0-9A-Fa-f]{2}|[^${allowed}]`, "gu")

const loneSurrogate = /\p{Surrogate}/u

/** A segment as a person writes it: other characters stand for their UTF-8. */
export const canonical = (segment: string): string => spell(segment, encodeURIComponent)

/** A segment of a request's target as Node has it, in which a character up to U+00FF stands for a byte. */
export const canonicalOfTarget = (segment: string): string =>
  spell(segment, (character) => {
    const code = character.charCodeAt(0)
    return code > 0xff ? encodeURIComponent(character) : encodedByte(code)
  })

/** Whether clients resolve the segment instead of sending it, however it is encoded. */
export const isDot = (segment: string): boolean => /^(\.|%2e){1,2}$/i.test(segment)

const spell = (segment: string, encode: (character: string) => string): string =>
  isCanonical.test(segment)
    ? segment
    : segment.replace(parts, (part) => {
        if (part.length === 3 && part.startsWith("%")) return respelled(part)
        if (part === "%") return "%25"
        return loneSurrogate.test(part) ? encodeURIComponent("\ufffd") : encode(part)
      })

const respelled = (encoded: string): string => {
  const code = Number.parseInt(encoded.slice(1), 16)
  const character = String.fromCharCode(code)
  return isCanonical.test(character) ? character : encodedByte(code)
}

const encodedByte = (code: number): string => `%${code.toString(16).toUpperCase().padStart(2, "0")}`
