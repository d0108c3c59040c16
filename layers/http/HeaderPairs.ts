/**
 * Raw headers, as Node has them, in pairs.
 *
 * @internal
 */
export const pairsOf = (raw: ReadonlyArray<string>): ReadonlyArray<readonly [string, string]> =>
  Array.from({ length: raw.length >> 1 }, (_, at) => [raw[2 * at] as string, raw[2 * at + 1] as string] as const)

/** What belongs to the connection that a request came by (RFC 9110 section 7.6.1), or is made anew. */
export const ofConnection: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
  "expect"
])
