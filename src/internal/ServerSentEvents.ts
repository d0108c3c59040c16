/**
 * The event stream format of the HTML standard, section 9.2.5.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import { kindOf } from "./OptionNames.js"

/** One event, as programs that no compiler checks may give it. */
interface Fields {
  readonly data: unknown
  readonly event?: unknown
  readonly id?: unknown
  readonly retry?: unknown
}

/** What is wrong with an event; `undefined` where nothing is. */
export const issueOf = (event: unknown): string | undefined => {
  if (!isEvent(event)) return undefined
  const { event: type, id, retry } = event
  return fieldIssue("event", type) ?? fieldIssue("id", id) ?? retryIssue(retry)
}

/** An event, or a value that is the data of one, as it is sent. */
export const textOf = (given: unknown): string => {
  const { data, event, id, retry } = isEvent(given) ? given : { data: given }
  const text = typeof data === "string" ? data : (JSON.stringify(data) ?? "")
  const fields = [
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(retry === undefined ? [] : [`retry: ${retry}`]),
    ...text.split(LINE_BREAK).map((line) => `data: ${line}`)
  ]
  return `${fields.join("\n")}\n\n`
}

/** Any other object is the data itself. */
const isEvent = (event: unknown): event is Fields =>
  Predicate.isRecord(event) &&
  "data" in event &&
  Object.keys(event).every((name) => name === "data" || name === "event" || name === "id" || name === "retry")

/** A field ends with its line; a client ignores an id that has a NUL. */
const fieldIssue = (name: string, value: unknown): string | undefined => {
  if (value === undefined) return undefined
  if (typeof value !== "string" && typeof value !== "number") {
    return `the ${name} of an event is a string, not ${kindOf(value)}`
  }
  return /[\r\n\0]/.test(String(value))
    ? `the ${name} of an event is on one line: ${JSON.stringify(value)} has a line break or a NUL. Data may have several lines`
    : undefined
}

const retryIssue = (retry: unknown): string | undefined =>
  retry === undefined || (Number.isInteger(retry) && (retry as number) >= 0)
    ? undefined
    : `the retry of an event is a whole number of milliseconds, not ${JSON.stringify(retry) ?? kindOf(retry)}`

const LINE_BREAK = /\r\n|\r|\n/
