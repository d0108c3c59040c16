/**
 * Bounds on JSON from a peer, checked before it is parsed: a deeply nested value overflows the stack of functions that
 * recurse into it, and many small lists and objects take up to thirty times the memory of their text.
 *
 * @internal
 */

/** How deep the lists and objects of a text may nest. */
export const maxDepth = 512

/** A text up to this length isn't checked, since its value is small and nests little. In UTF-16 units. */
export const uncheckedLength = 4096

/** About how many bytes the JSON from `start` on takes once parsed, beside its text; or why it must not be parsed. */
export const weigh = (text: string, start = 0): number | string => {
  const length = text.length - start
  if (length <= uncheckedLength) return 0
  const most = Math.max(leastCollections, Math.floor(length / unitsPerCollection))
  const counts = count(text, start, { collections: most })
  return counts.issue ?? weightOf(counts)
}

/**
 * Like JSON.parse, but throws a `RangeError` for a text that is over the bounds. Before parsing, calls `admit` with the number
 * of bytes that the value will take; an error that `admit` throws is thrown on.
 */
export const parse = (text: string, admit: (bytes: number) => void = admitOrdinary): unknown => {
  const weight = weigh(text)
  if (typeof weight === "string") throw new RangeError(`its JSON has ${weight}`)
  admit(weight)
  return JSON.parse(text)
}

const admitOrdinary = (bytes: number) => {
  if (bytes > ordinaryBytes) throw new RangeError(`its JSON takes about ${bytes} bytes once it is parsed`)
}

/** About how many bytes a value with these contents takes at most, including what its decoder takes meanwhile. */
export const weightOf = ({ collections, fields, strings, values }: Contents): number => {
  const texts = Math.max(0, strings - fields)
  const others = Math.max(0, values - fields - texts)
  return collections * collectionBytes + fields * fieldBytes + texts * textBytes + others * otherBytes
}

/** How much a text may contain. Its depth is bounded apart from this. */
export interface Limit {
  readonly collections: number
  /** Not counting the first value of each list and object. Default: no limit. */
  readonly values?: number
}

/** What a value contains. */
export interface Contents {
  readonly collections: number
  /** Not counting the first value of each list and object. */
  readonly values: number
  readonly fields: number
  /** Including the names of fields. */
  readonly strings: number
}

/** What a text contains as far as it was read, and the bound that it exceeds, if any. */
export interface Counts extends Contents {
  readonly issue: string | undefined
}

/** Counts what the JSON from `start` on contains, up to the limit. */
export const count = (text: string, start: number, limit: Limit): Counts => {
  const { collections: mostCollections, values: mostValues = Number.POSITIVE_INFINITY } = limit
  let depth = 0
  let collections = 0
  let values = 0
  let fields = 0
  let strings = 0
  let issue: string | undefined
  for (let i = start; i < text.length && issue === undefined; i++) {
    const code = text.charCodeAt(i)
    if (code === doubleQuote) {
      strings++
      i = endOfString(text, i)
      if (i === -1) break
    } else if (code === comma) {
      if (++values > mostValues) issue = `more than ${mostValues} values`
    } else if (code === colon) fields++
    else if ((code | caseBit) === openBrace) {
      if (++collections > mostCollections) issue = `more than ${mostCollections} lists and objects`
      else if (++depth > maxDepth) issue = `lists and objects nested more than ${maxDepth} deep`
    } else if ((code | caseBit) === closeBrace) depth--
  }
  return { collections, values, fields, strings, issue }
}

/** The position of the quote that ends the string at `start`; -1 if there is none. */
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

/** Any text may have this many lists and objects. A longer one may have one for each so many UTF-16 units. */
const leastCollections = 1_000_000
const unitsPerCollection = 16

/** About what V8 takes at most for one: the most expensive are a field whose name is new, and a number that isn't a small integer. */
const collectionBytes = 64
const fieldBytes = 128
const textBytes = 40
const otherBytes = 24

/** How many bytes a value may take where nothing counts them. */
const ordinaryBytes = 64 * 1024 * 1024

const doubleQuote = 34
const comma = 44
const colon = 58
const backslash = 92
/** The one bit in which the codes of `[` and `{`, and of `]` and `}`, differ. */
const caseBit = 32
const openBrace = 123
const closeBrace = 125
