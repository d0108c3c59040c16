/**
 * Arguments of programs that no compiler checks: what is wrong with each, in words that say what to pass.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { messageOf } from "./ErrorMessage.js"
import { kindOf } from "./OptionNames.js"
import { isPrintable, quote } from "./Printable.js"

/** Throws a `TypeError` where something is wrong. */
export const refuse = (call: string, issue: string | undefined): void => {
  if (issue !== undefined) throw new TypeError(`${call}: ${issue}.`)
}

export const textIssue = (name: string, value: unknown): string | undefined =>
  value === undefined || typeof value === "string" ? undefined : `${name} is a string, not ${kindOf(value)}`

export const nameIssue = (name: string, value: unknown): string | undefined =>
  value === "" ? `${name} is empty` : textIssue(name, value)

export const flagIssue = (name: string, value: unknown): string | undefined =>
  value === undefined || typeof value === "boolean" ? undefined : `${name} is true or false, not ${kindOf(value)}`

export const pathIssue = (path: unknown): string | undefined =>
  typeof path === "string" || path instanceof RegExp
    ? undefined
    : `its path is a string like "/users/:id" or an expression, not ${kindOf(path)}`

export const fileIssue = (name: string, file: unknown): string | undefined => {
  if (file instanceof URL)
    return file.protocol === "file:" ? undefined : `${name} is at the URL of a file, not at ${file.protocol}`
  return typeof file === "string" && file !== "" ? undefined : `${name} is a path or a URL, not ${shown(file)}`
}

export const statusIssue = (status: unknown): string | undefined =>
  Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 999
    ? undefined
    : `its status is a whole number from 200 to 999, not ${shown(status)}`

export const countIssue = (name: string, count: unknown): string | undefined =>
  Number.isInteger(count) && (count as number) > 0 ? undefined : `${name} is a whole number from 1, not ${shown(count)}`

export const bytesIssue = (name: string, count: unknown): string | undefined =>
  Number.isInteger(count) && (count as number) >= 0
    ? undefined
    : `${name} is a number of bytes, a whole one from 0, not ${shown(count)}`

export const durationIssue = (name: string, duration: unknown): string | undefined =>
  Option.isSome(Duration.decodeUnknown(duration))
    ? undefined
    : `${name} is a duration, such as "20 millis" or a number of milliseconds, not ${shown(duration)}`

/** Of a token. */
export const secretIssue = (name: string, value: unknown): string | undefined =>
  Redacted.isRedacted(value) ? undefined : textIssue(name, value)

export const numberIssue = (name: string, value: unknown): string | undefined =>
  typeof value === "number" ? undefined : `${name} is a number, not ${shown(value)}`

export const textsIssue = (name: string, value: unknown): string | undefined =>
  value === undefined || isTexts(value) ? undefined : `${name} is an array of strings, not ${kindOf(value)}`

export const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every(Predicate.isString)

export const oneOfIssue =
  (...values: ReadonlyArray<string>) =>
  (name: string, value: unknown): string | undefined =>
    values.some((known) => known === value)
      ? undefined
      : `${name} is ${values.map(shown).join(" or ")}, not ${shown(value)}`

/** What is changed later may yet become what JSON doesn't have. */
export const jsonIssue = (issue: string, value: unknown, hint = ""): string | undefined => {
  try {
    return JSON.stringify(value) === undefined ? `${issue}, not ${kindOf(value)}${hint}` : undefined
  } catch (error) {
    return `${issue}: ${messageOf(error)}`
  }
}

/** Of the headers of an answer, or those that a request is changed by, which may be `undefined`. */
export const headersIssue = (headers: unknown, mayBeUndefined = false): string | undefined => {
  if (headers === undefined) return undefined
  if (!Predicate.isRecord(headers)) return `its headers are an object of names and values, not ${kindOf(headers)}`
  if (Symbol.iterator in headers)
    return "its headers are an object of names and values: pass Object.fromEntries(headers)"
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name)) return `${quote(name)} is no name of a header`
    if (value === undefined && mayBeUndefined) continue
    if (typeof value === "number" || typeof value === "boolean") {
      return `its header ${name} is text: pass ${quote(String(value))}, not ${kindOf(value)}`
    }
    if (typeof value !== "string") return `its header ${name} is text, not ${kindOf(value)}`
    if (!HEADER_VALUE.test(value)) return `its header ${name} has a character that no header can have: ${quote(value)}`
  }
  return undefined
}

/** A plain value as it is written; of any other what it is. */
export const shown = (value: unknown): string => {
  if (typeof value === "string")
    return isPrintable(value) && value.length <= 200 ? `"${value}"` : quote(value.slice(0, 200))
  return typeof value === "number" || typeof value === "boolean" ? String(value) : kindOf(value)
}

/** RFC 9110 section 5.6.2. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/

/** RFC 9110 section 5.5. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
