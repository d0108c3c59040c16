/**
 * How a value differs from what a matcher wants.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import { kindOf } from "../../src/internal/OptionNames.js"
import type { Absent, AsymmetricMatcher, Exact } from "../../src/RequestMatcher.js"

/** One place that differs. */
export interface Difference {
  /** Such as `body.items[0].name`. */
  readonly part: string
  /** As text. */
  readonly expected: string
  /** As text; `undefined` where nothing is there. */
  readonly received: string | undefined
}

/**
 * Where the value isn't what is wanted; none where it is. `undefined` is nothing at all, which only `absent` and predicates
 * take. Never throws.
 */
export const between = (value: unknown, wanted: unknown, part: string): ReadonlyArray<Difference> => {
  const differences: Array<Difference> = []
  // What is wanted is the test's own object, whose getters may throw.
  attempt(
    () => {
      compare(value, wanted, part, false, differences)
      return true
    },
    wanted,
    (expected) => differences.push({ part, expected, received: value === undefined ? undefined : show(value) })
  )
  return differences
}

const compare = (
  value: unknown,
  wanted: unknown,
  part: string,
  exactly: boolean,
  differences: Array<Difference>
): void => {
  const differs = (expected = show(wanted)) => {
    differences.push({ part, expected, received: value === undefined ? undefined : show(value) })
  }
  if (Object.is(value, wanted)) return
  if (isAbsent(wanted)) return value === undefined ? undefined : differs()
  if (isExact(wanted)) return compare(value, wanted.value, part, true, differences)
  if (isAsymmetric(wanted)) return attempt(() => wanted.asymmetricMatch(value) === true, wanted, differs)
  if (Schema.isSchema(wanted)) {
    return attempt(
      () => {
        const decoded = ParseResult.decodeUnknownEither(wanted as Schema.Schema.AnyNoContext)(value)
        if (Either.isRight(decoded)) return true
        return ParseResult.TreeFormatter.formatIssueSync(decoded.left).replaceAll(/\s*\n\s*/g, " ")
      },
      wanted,
      differs
    )
  }
  if (typeof wanted === "function") return attempt(() => wanted(value) === true, wanted, differs)
  if (wanted instanceof RegExp) return typeof value === "string" && testOf(wanted, value) ? undefined : differs()
  if (wanted instanceof Uint8Array) {
    return value instanceof Uint8Array && Buffer.compare(wanted, value) === 0 ? undefined : differs()
  }
  if (Array.isArray(wanted)) {
    if (!Array.isArray(value) || value.length !== wanted.length) return differs()
    for (const [at, item] of wanted.entries()) compare(value[at], item, `${part}[${at}]`, exactly, differences)
    return
  }
  if (!Predicate.isRecord(wanted) || !Predicate.isRecord(value)) return differs()
  for (const [name, item] of Object.entries(wanted)) {
    // A field that is wanted to be undefined is wanted not to be there, as JSON has none.
    const present = Object.hasOwn(value, name) ? value[name] : undefined
    if (item === undefined && present === undefined) continue
    compare(present, item, memberOf(part, name), exactly, differences)
  }
  if (!exactly) return
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(wanted, name)) compare(value[name], absent, memberOf(part, name), true, differences)
  }
}

/** `take` gives true where the value is what is wanted, and may else give the difference as text. */
const attempt = (take: () => unknown, wanted: unknown, differs: (expected: string) => void): void => {
  // What a test gives may throw: an assertion in a predicate, or one that is written for another value.
  try {
    const taken = take()
    if (taken !== true) differs(typeof taken === "string" ? taken : show(wanted))
  } catch (error) {
    differs(`${show(wanted)}, which threw: ${messageOf(error)}`)
  }
}

const absent: Absent = { _tag: "effect-ipc/Absent" }

export const isAbsent = (value: unknown): value is Absent => Predicate.isTagged(value, "effect-ipc/Absent")

/** Whether a value may have no more than is given. */
export const isExact = (value: unknown): value is Exact<unknown> => Predicate.isTagged(value, "effect-ipc/Exact")

/** Whether a value is what `expect.any` and its like give. */
export const isAsymmetric = (value: unknown): value is AsymmetricMatcher =>
  Predicate.hasProperty(value, "asymmetricMatch") && typeof value.asymmetricMatch === "function"

/** Whether the expression matches; a global one goes on where it left off, so it is set back. */
export const testOf = (expression: RegExp, value: string): boolean => {
  expression.lastIndex = 0
  return expression.test(value)
}

const memberOf = (part: string, name: string): string =>
  /^[\w$-]+$/.test(name) ? `${part}.${name}` : `${part}[${JSON.stringify(name)}]`

/** A value or a matcher as text, cut at a length that fits a report. */
export const show = (value: unknown): string => {
  const text = textOf(value)
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`
}

const textOf = (value: unknown): string => {
  if (value === undefined || isAbsent(value)) return NOTHING
  if (isExact(value)) return `exactly ${textOf(value.value)}`
  if (isAsymmetric(value)) return asymmetricText(value)
  if (Schema.isSchema(value)) return String(value)
  if (typeof value === "function") return value.name === "" ? "what its predicate takes" : `what ${value.name} takes`
  if (value instanceof RegExp) return String(value)
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === "symbol" || typeof value === "bigint") return String(value)
  try {
    return JSON.stringify(value, shownField) ?? ofItsKind(value)
  } catch {
    // It refers to itself, for example.
    return ofItsKind(value)
  }
}

const ofItsKind = (value: unknown): string => {
  const name = (value as { readonly constructor?: { readonly name?: unknown } }).constructor?.name
  return typeof name === "string" && name !== "" && name !== "Object" ? `an instance of ${name}` : kindOf(value)
}

const shownField = (_name: string, field: unknown): unknown => {
  if (typeof field === "bigint") return String(field)
  if (field instanceof Map || field instanceof Set) return Array.from(field)
  const isShownOtherwise =
    field instanceof RegExp ||
    field instanceof Uint8Array ||
    typeof field === "function" ||
    isAbsent(field) ||
    isExact(field) ||
    isAsymmetric(field)
  return isShownOtherwise ? `<${textOf(field)}>` : field
}

const asymmetricText = (matcher: AsymmetricMatcher): string => {
  const { sample, toAsymmetricMatcher } = matcher as {
    readonly sample?: unknown
    readonly toAsymmetricMatcher?: () => string
  }
  try {
    if (typeof toAsymmetricMatcher === "function") return toAsymmetricMatcher.call(matcher)
    const name = String(matcher)
    if (!name.startsWith("[object ")) return sample === undefined ? name : `${name} ${textOf(sample)}`
  } catch {
    // Its text is a part of what a report says.
  }
  return "what its asymmetricMatch takes"
}

/** The first of the differences in words, and how many more there are. */
export const inWords = (differences: ReadonlyArray<Difference>): string => {
  const [first, ...rest] = differences
  if (first === undefined) return "it matches"
  const { expected, part, received } = first
  if (part === "path" || part === "method") return `the ${part} is ${received}, not ${expected}`
  if (part === TRACE_CONTEXT) {
    const carried = received ?? "no trace context"
    return `the request carries ${carried}: the service that sent it has to pass its session's on, or the test to send it, by fetch(url, { headers: session.headers })`
  }
  const more =
    rest.length === 0 ? "" : `, and ${rest.length} more ${rest.length === 1 ? "part differs" : "parts differ"}`
  if (received === undefined) return `${part} is missing, and should be ${expected}${more}`
  return expected === NOTHING
    ? `${part} is ${received}, and should be absent${more}`
    : `${part} is ${received}, not ${expected}${more}`
}

/** The part of a request that says to which session it belongs. */
export const TRACE_CONTEXT = "trace context"

/** What nothing is shown as. */
export const NOTHING = "nothing"

const MAX_SHOWN = 200
