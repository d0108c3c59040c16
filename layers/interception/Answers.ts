/**
 * Answers of `Intercept` that need more than the platform's responses: files, and events that are sent one after the other.
 *
 * @internal
 */
import { fileURLToPath } from "node:url"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { FileAnswer, ServerSentEvent, SseAnswer } from "../../src/Intercept.js"
import { Answer } from "../../src/internal/Answer.js"
import { imported } from "../http/Lazily.js"

/** What a handler gave as what the gateway sends; `clock` is the gateway's. */
export const toSendable = (answer: unknown, clock: Clock.Clock): Effect.Effect<unknown, unknown> => {
  if (Predicate.isTagged(answer, "effect-ipc/File")) return file(answer as unknown as FileAnswer)
  if (Predicate.isTagged(answer, "effect-ipc/Sse")) return Effect.succeed(sse(answer as unknown as SseAnswer, clock))
  return Effect.succeed(answer)
}

const file = ({ headers, path, status }: FileAnswer): Effect.Effect<unknown, unknown> =>
  Effect.gen(function* () {
    const { file } = yield* Effect.tryPromise(() =>
      imported("@effect/platform/HttpServerResponse", () => import("@effect/platform/HttpServerResponse"))
    )
    const { layerContext } = yield* Effect.tryPromise(() =>
      imported("@effect/platform-node/NodeHttpServer", () => import("@effect/platform-node/NodeHttpServer"))
    )
    const name = path instanceof URL ? fileURLToPath(path) : path
    return yield* Effect.provide(file(name, { status, headers }), layerContext)
  })

const sse = ({ events, headers, interval }: SseAnswer, clock: Clock.Clock): Answer => {
  const pause = interval === undefined ? Effect.void : Effect.withClock(Effect.sleep(interval), clock)
  const texts = Stream.zipWithIndex(streamOf(events)).pipe(
    Stream.mapEffect(([event, at]) => Effect.as(at === 0 ? Effect.void : pause, encoder.encode(textOf(event))))
  )
  const head = { "content-type": "text/event-stream", "cache-control": "no-cache", ...headers }
  return new Answer(200, head, texts)
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
