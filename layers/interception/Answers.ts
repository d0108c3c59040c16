/**
 * Answers of `Intercept` that need more than the platform's responses: files, and events that are sent one after the other.
 */
import { fileURLToPath } from "node:url"
import type { HttpServerResponse } from "@effect/platform/HttpServerResponse"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { FileAnswer, ServerSentEvent, SseAnswer } from "../../src/Intercept.js"

/** What a handler gave as what the gateway sends; `clock` is the gateway's. */
export const toSendable = (answer: unknown, clock: Clock.Clock): Effect.Effect<unknown, unknown> => {
  if (Predicate.isTagged(answer, "effect-ipc/File")) return file(answer as unknown as FileAnswer)
  if (Predicate.isTagged(answer, "effect-ipc/Sse")) return sse(answer as unknown as SseAnswer, clock)
  return Effect.succeed(answer)
}

// Loaded with the first such answer, since importing the platform costs start-up time.
const response = Effect.promise(() => import("@effect/platform/HttpServerResponse"))

const file = ({ headers, path, status }: FileAnswer): Effect.Effect<HttpServerResponse, unknown> =>
  Effect.gen(function* () {
    const { file } = yield* response
    const { layerContext } = yield* Effect.promise(() => import("@effect/platform-node/NodeHttpServer"))
    const name = path instanceof URL ? fileURLToPath(path) : path
    return yield* Effect.provide(file(name, { status, headers }), layerContext)
  })

const sse = ({ events, headers, interval }: SseAnswer, clock: Clock.Clock): Effect.Effect<HttpServerResponse> => {
  const pause = interval === undefined ? Effect.void : Effect.withClock(Effect.sleep(interval), clock)
  const texts = Stream.zipWithIndex(streamOf(events)).pipe(
    Stream.mapEffect(([event, at]) => Effect.as(at === 0 ? Effect.void : pause, encoder.encode(textOf(event))))
  )
  return Effect.map(response, ({ stream }) =>
    stream(texts, {
      contentType: "text/event-stream",
      headers: { "cache-control": "no-cache", ...headers }
    })
  )
}

const streamOf = (events: SseAnswer["events"]): Stream.Stream<unknown, unknown> => {
  if (Stream.StreamTypeId in events) return events as Stream.Stream<unknown, unknown>
  return Symbol.asyncIterator in events
    ? Stream.fromAsyncIterable(events as AsyncIterable<unknown>, (error) => error)
    : Stream.fromIterable(events as Iterable<unknown>)
}

/** The event stream format of the HTML standard, section 9.2.5. */
const textOf = (event: unknown): string => {
  const { data, event: type, id, retry } = isEvent(event) ? event : { data: event }
  const text = typeof data === "string" ? data : JSON.stringify(data)
  const fields = [
    ...(type === undefined ? [] : [`event: ${type}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(retry === undefined ? [] : [`retry: ${retry}`]),
    ...text.split(/\r\n|\r|\n/).map((line) => `data: ${line}`)
  ]
  return `${fields.join("\n")}\n\n`
}

/** Any other object is the data itself. */
const isEvent = (event: unknown): event is ServerSentEvent =>
  Predicate.isRecord(event) &&
  "data" in event &&
  Object.keys(event).every((name) => name === "data" || name === "event" || name === "id" || name === "retry")

const encoder = new TextEncoder()
