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

/** About how many bytes the JSON from `start` on takes beside its text once it is parsed; or why it isn't to be parsed. */
export const weigh = (text: string, start = 0): number | string => {
  const length = text.length - start
  if (length <= uncheckedLength) return 0
  const most = Math.max(leastCollections, Math.floor(length / unitsPerCollection))
  const counts = count(text, start, { collections: most })
  return counts.issue ?? weightOf(counts)
}

/**
 * As JSON.parse. Throws a `RangeError` for what is over the bounds, and whatever `admit` throws, which is told before the
 * text is parsed how many bytes its value takes.
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

/** About how many bytes a value takes that has so much in it: at most, with what its decoder takes meanwhile. */
export const weightOf = ({ collections, fields, strings, values }: Contents): number => {
  const texts = Math.max(0, strings - fields)
  const others = Math.max(0, values - fields - texts)
  return collections * collectionBytes + fields * fieldBytes + texts * textBytes + others * otherBytes
}

/** How much a text may hold beside the depth. */
export interface Limit {
  readonly collections: number
  /** Without the first of each list and object; as many as they are, where there is no limit. */
  readonly values?: number
}

/** What a value holds. */
export interface Contents {
  readonly collections: number
  /** Without the first of each list and object. */
  readonly values: number
  readonly fields: number
  /** The names of fields among them. */
  readonly strings: number
}

/** What JSON holds, as far as it was read; with the bound that it exceeds, if any. */
export interface Counts extends Contents {
  readonly issue: string | undefined
}

/** Counts what the JSON from `start` on holds, up to the limit. */
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

/** What V8 takes at most for one, about: for a field whose name occurs once, a short string, a number that is no small integer. */
const collectionBytes = 64
const fieldBytes = 128
const textBytes = 40
const otherBytes = 24

/** What a value may take that isn't counted anywhere. */
const ordinaryBytes = 64 * 1024 * 1024

const doubleQuote = 34
const comma = 44
const colon = 58
const backslash = 92
/** A bracket's code differs from that of its brace in this alone. */
const caseBit = 32
const openBrace = 123
const closeBrace = 125
