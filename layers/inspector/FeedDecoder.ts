/**
 * Pages of a feed, checked: they come from whatever holds the gateway's port. What isn't an event is left out.
 *
 * By hand, since a gateway under load sends thousands of events a second.
 *
 * @internal
 */
import * as JsonBounds from "../../src/internal/JsonBounds.js"
import type {
  AnswererRecord,
  BodyRecord,
  FeedEvent,
  FeedPage,
  HeaderList,
  InterceptorsRecord
} from "./InspectorProtocol.js"

type Fields = Readonly<Record<string, unknown>>

export const pageOf = (json: Uint8Array): FeedPage => {
  const { behind, events, missed, recording } = fieldsOf(parsed(json))
  return {
    recording: textOf(recording),
    events: listOf(events).flatMap((event) => eventOf(fieldsOf(event)) ?? []),
    missed: numberOf(missed) ?? 0,
    behind: numberOf(behind) ?? 0
  }
}

/** Undefined for bytes that aren't JSON. */
const parsed = (json: Uint8Array): unknown => {
  try {
    return JsonBounds.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString("utf8"))
  } catch {
    return undefined
  }
}

const eventOf = (event: Fields): FeedEvent | undefined => {
  switch (event._tag) {
    case "Exchange":
      return {
        _tag: "Exchange",
        number: numberOf(event.number) ?? 0,
        startedAt: timeOf(event.startedAt),
        durationMillis: numberOf(event.durationMillis),
        waitMillis: numberOf(event.waitMillis),
        method: textOf(event.method),
        target: textOf(event.target),
        httpVersion: textOf(event.httpVersion),
        client: textOf(event.client),
        requestHeaders: headersOf(event.requestHeaders),
        requestBody: bodyOf(fieldsOf(event.requestBody)),
        status: numberOf(event.status),
        responseHeaders: headersOf(event.responseHeaders),
        responseBody: bodyOf(fieldsOf(event.responseBody)),
        answerers: listOf(event.answerers).map((answerer) => answererOf(fieldsOf(answerer))),
        failure: optionalText(event.failure)
      }
    case "Skipped":
      return { _tag: "Skipped", count: numberOf(event.count) ?? 0 }
    case "Process":
      return {
        _tag: "Process",
        key: textOf(event.key),
        runtimeId: optionalText(event.runtimeId),
        pid: numberOf(event.pid) ?? 0,
        host: textOf(event.host),
        program: textOf(event.program),
        startedAt: timeOf(event.startedAt)
      }
    case "Call":
      return {
        _tag: "Call",
        process: textOf(event.process),
        kind: event.kind === "stream" ? "stream" : "request",
        name: textOf(event.name),
        target: textOf(event.target),
        startedAt: timeOf(event.startedAt),
        durationMillis: numberOf(event.durationMillis) ?? 0,
        outcome: textOf(event.outcome)
      }
    case "Connected":
    case "Disconnected":
      return {
        _tag: event._tag,
        clientId: textOf(event.clientId),
        runtimeId: optionalText(event.runtimeId),
        at: timeOf(event.at)
      }
    case "Interceptors":
      return { _tag: "Interceptors", interceptors: listOf(event.interceptors).map(interceptorOf) }
    default:
      return undefined
  }
}

const interceptorOf = (input: unknown): InterceptorsRecord["interceptors"][number] => {
  const { calls, kind, name, times } = fieldsOf(input)
  return { kind: textOf(kind), name: textOf(name), calls: numberOf(calls) ?? 0, times: numberOf(times) }
}

const answererOf = ({ api, kind, name, stripPrefix }: Fields): AnswererRecord => ({
  kind: textOf(kind),
  name: textOf(name),
  api: optionalText(api),
  stripPrefix: optionalText(stripPrefix)
})

const bodyOf = ({ base64, size, text }: Fields): BodyRecord => ({
  ...(typeof text === "string" ? { text } : typeof base64 === "string" ? { base64 } : {}),
  size: numberOf(size) ?? 0
})

const headersOf = (input: unknown): HeaderList => {
  const flat = listOf(input)
  const pairs: Array<readonly [string, string]> = []
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.push([textOf(flat[at]), textOf(flat[at + 1])])
  return pairs
}

const fieldsOf = (input: unknown): Fields => (typeof input === "object" && input !== null ? (input as Fields) : {})

const listOf = (input: unknown): ReadonlyArray<unknown> => (Array.isArray(input) ? input : [])

const textOf = (input: unknown): string => (typeof input === "string" ? input : "")

const optionalText = (input: unknown): string | undefined => (typeof input === "string" ? input : undefined)

const numberOf = (input: unknown): number | undefined =>
  typeof input === "number" && Number.isFinite(input) ? input : undefined

/** Milliseconds since 1970 that a Date can have. */
const timeOf = (input: unknown): number => {
  const time = numberOf(input) ?? 0
  return Math.abs(time) <= 8.64e15 ? time : 0
}
