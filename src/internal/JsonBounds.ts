/**
 * Bounds on JSON from a peer, looked at before it is parsed: a value that nests deeply overflows the stack of what walks it,
 * and many small lists and objects take up to thirty times the memory of their text.
 *
 * @internal
 */

/** How deep the lists and objects of a text may nest. */
export const maxDepth = 512

/** A text no longer than this isn't looked at: it can't do much. In UTF-16 units. */
export const uncheckedLength = 4096

/** Why the JSON from `start` on isn't parsed; undefined where it may be. */
export const issueOf = (text: string, start = 0): string | undefined => {
  const length = text.length - start
  if (length <= uncheckedLength) return undefined
  return exceeded(text, start, { collections: Math.max(leastCollections, Math.floor(length / unitsPerCollection)) })
}

/** As JSON.parse. Throws a `RangeError` for what is over the bounds. */
export const parse = (text: string): unknown => {
  const issue = issueOf(text)
  if (issue !== undefined) throw new RangeError(`its JSON has ${issue}`)
  return JSON.parse(text)
}

/** How much a text may hold beside the depth. */
export interface Limit {
  readonly collections: number
  /** Without the first of each list and object; as many as they are, where there is no limit. */
  readonly values?: number
}

/** Which bound the JSON from `start` on exceeds; undefined where it is none. */
export const exceeded = (text: string, start: number, limit: Limit): string | undefined => {
  const { collections: mostCollections, values: mostValues = Number.POSITIVE_INFINITY } = limit
  let depth = 0
  let collections = 0
  let values = 0
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === doubleQuote) {
      i = endOfString(text, i)
      if (i === -1) return undefined
    } else if (code === comma) {
      if (++values > mostValues) return `more than ${mostValues} values`
    } else if ((code | caseBit) === openBrace) {
      if (++collections > mostCollections) return `more than ${mostCollections} lists and objects`
      if (++depth > maxDepth) return `lists and objects nested more than ${maxDepth} deep`
    } else if ((code | caseBit) === closeBrace) depth--
  }
  return undefined
}

/** Where the string that begins at `start` ends; -1 where it doesn't. */
const endOfString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

const isEscaped = (text: string, at: number): boolean => {
  let start = at
  while (text.charCodeAt(start - 1) === backslash) start--
  return (at - start) % 2 === 1
}

/** How many lists and objects any text may have, and for how many UTF-16 units a longer one may have one. */
const leastCollections = 1_000_000
const unitsPerCollection = 16

const doubleQuote = 34
const comma = 44
const backslash = 92
/** A bracket's code differs from that of its brace in this alone. */
const caseBit = 32
const openBrace = 123
const closeBrace = 125
