/**
 * The form of a body by its content type (RFC 9110 section 8.3).
 *
 * @internal
 */

export type Kind = "json" | "form" | "multipart" | "text" | "bytes"

/** Of no content type: `bytes`. */
export const kindOf = (contentType: string): Kind => {
  const type = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? ""
  if (type === "application/x-www-form-urlencoded") return "form"
  if (type.startsWith("multipart/")) return type === "multipart/form-data" ? "multipart" : "bytes"
  if (JSON_TYPE.test(type)) return "json"
  if (type.startsWith("text/") || TEXT_TYPE.test(type) || TEXT_TYPES.has(type)) return "text"
  // Only text has a charset (RFC 6838 section 4.2.1 for others that define one).
  return charsetOf(contentType) === undefined ? "bytes" : "text"
}

/** The text of a body; malformed sequences are replaced. */
export const textOf = (contentType: string, bytes: Uint8Array): string => {
  try {
    return new TextDecoder(charsetOf(contentType)).decode(bytes)
  } catch {
    // A charset that isn't known.
    return new TextDecoder().decode(bytes)
  }
}

/** The text in the charset of the content type; in UTF-8 where that isn't one that can be written. */
export const bytesOf = (contentType: string, text: string): Buffer =>
  Buffer.from(text, ENCODINGS[charsetOf(contentType)?.toLowerCase() ?? ""] ?? "utf8")

const ENCODINGS: Readonly<Record<string, BufferEncoding | undefined>> = {
  "utf-16": "utf16le",
  "utf-16le": "utf16le",
  "iso-8859-1": "latin1",
  latin1: "latin1",
  "us-ascii": "latin1",
  "windows-1252": "latin1"
}

/** The text of bytes that are UTF-8 and have no control characters that text doesn't have. */
export const utf8Of = (bytes: Uint8Array): string | undefined => {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return CONTROL.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

const charsetOf = (contentType: string): string | undefined => CHARSET.exec(contentType)?.[1]

const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]+)/i

const JSON_TYPE = /^(?:application|text)\/(?:[^/]+\+)?json$|^[^/]+\/[^/]+\+json$/

/** By their suffix (RFC 6839), or by their name. */
const TEXT_TYPE =
  /\+(?:xml|yaml)$|^[^/]+\/(?:x-)?(?:xml|yaml|yml|toml|javascript|ecmascript|typescript|graphql|sql|ndjson|jsonl|csv|sh)$/

const TEXT_TYPES: ReadonlySet<string> = new Set([
  "application/xml-dtd",
  "application/json-seq",
  "application/jwt",
  "application/pgp-signature",
  "application/rtf",
  "application/x-pem-file"
])

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/
