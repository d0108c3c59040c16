/**
 * Names in options objects, checked for programs that no compiler checks.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"

/** The names that an options object has. A record, so that the compiler finds the one that is missing here. */
export type OptionNames<Options> = Readonly<Record<keyof Options & string, true>>

/** What is wrong with the names of an options object; `undefined` where nothing is. */
export const issueOf = (what: string, options: unknown, names: Readonly<Record<string, true>>): string | undefined => {
  if (options === undefined) return undefined
  const known = Object.keys(names)
  const isPlural = /\b(?:its|the) (?:options|Schemas)\b/.test(what)
  if (!Predicate.isRecord(options))
    return `${what} ${isPlural ? "are" : "is"} an object of ${known.join(", ")}, not ${kindOf(options)}`
  const unknown = Object.keys(options).find((name) => !known.includes(name) && options[name] !== undefined)
  if (unknown === undefined) return undefined
  const near = nearest(unknown, known)
  const hint = near === undefined ? "" : ` Did you mean ${JSON.stringify(near)}?`
  return `${what} ${isPlural ? "have" : "has"} no ${JSON.stringify(unknown)}.${hint} ${isPlural ? "They take" : "It takes"} ${known.join(", ")}`
}

/** Throws a `TypeError` where the options have a name that isn't known. */
export const check = (what: string, options: unknown, names: Readonly<Record<string, true>>): void => {
  const issue = issueOf(what, options, names)
  if (issue !== undefined) throw new TypeError(`${issue}.`)
}

/** What a value is, for messages. */
export const kindOf = (value: unknown): string => {
  if (value === null) return "null"
  if (value === undefined) return "undefined"
  if (Array.isArray(value)) return "an array"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** The known name that takes the fewest edits, where that is less than half of it. */
const nearest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const candidate of known) {
    const edits = distance(name.toLowerCase(), candidate.toLowerCase())
    if (edits * 2 < candidate.length && (best === undefined || edits < best.edits)) best = { name: candidate, edits }
  }
  return best?.name
}

/** Levenshtein's distance. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[to.length] as number
}
