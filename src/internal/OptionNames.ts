/**
 * Options objects, checked for programs that no compiler checks.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"

/** What is wrong with an option's value; `undefined` where nothing is. */
export type Check = (name: string, value: unknown) => string | undefined

/** The names of any options. */
export type Names = Readonly<Record<string, true | Check>>

/**
 * The names that an options object has, each with the check of its value, or `true` where that is checked elsewhere. A
 * record, so that the compiler finds the one that is missing here.
 */
export type OptionNames<Options> = Readonly<Record<keyof Options & string, true | Check>>

/** What is wrong with an options object; `undefined` where nothing is. */
export const issueOf = (what: string, options: unknown, names: Names): string | undefined => {
  if (options === undefined) return undefined
  const known = Object.keys(names)
  const isPlural = /\b(?:its|the) (?:options|Schemas)\b/.test(what)
  if (!Predicate.isRecord(options))
    return `${what} ${isPlural ? "are" : "is"} an object of ${known.join(", ")}, not ${kindOf(options)}`
  const unknown = Object.keys(options).find((name) => !known.includes(name) && options[name] !== undefined)
  if (unknown === undefined) return valueIssue(options, names)
  const near = nearest(unknown, known)
  const hint = near === undefined ? "" : ` Did you mean ${JSON.stringify(near)}?`
  return `${what} ${isPlural ? "have" : "has"} no ${JSON.stringify(unknown)}.${hint} ${isPlural ? "They take" : "It takes"} ${known.join(", ")}`
}

/** Throws a `TypeError` where the options have a name that isn't known, or a wrong value. */
export const check = (call: string, options: unknown, names: Names, what = "its options"): void => {
  const issue = issueOf(what, options, names)
  if (issue !== undefined) throw new TypeError(`${call}: ${issue}.`)
}

const valueIssue = (options: Readonly<Record<string, unknown>>, names: Names): string | undefined => {
  for (const [name, check] of Object.entries(names)) {
    const value = options[name]
    const issue = check === true || value === undefined ? undefined : check(name, value)
    if (issue !== undefined) return issue
  }
  return undefined
}

/** What a value is, for messages. */
export const kindOf = (value: unknown): string => {
  if (value === null) return "null"
  if (value === undefined) return "undefined"
  if (Array.isArray(value)) return "an array"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** The known name that takes the fewest edits, where those are at most a third of its length. */
const nearest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const candidate of known) {
    const edits = distance(name.toLowerCase(), candidate.toLowerCase())
    const isNear = edits * 3 <= Math.max(name.length, candidate.length)
    if (isNear && (best === undefined || edits < best.edits)) best = { name: candidate, edits }
  }
  return best?.name
}

/** Levenshtein's distance, where two neighbours that have changed places are one edit. */
const distance = (from: string, to: string): number => {
  let before: ReadonlyArray<number> = []
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1)
      const swapped =
        i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
          ? (before[j - 2] as number) + 1
          : replaced
      next.push(Math.min(replaced, swapped, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    before = row
    row = next
  }
  return row[to.length] as number
}
