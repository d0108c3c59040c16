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
import type { FileAnswer, SseAnswer } from "../../src/Intercept.js"
import { Answer } from "../../src/internal/Answer.js"
import * as ServerSentEvents from "../../src/internal/ServerSentEvents.js"
import { imported } from "../Lazily.js"

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
    Stream.mapEffect(([event, at]) => {
      const issue = ServerSentEvents.issueOf(event)
      if (issue !== undefined) return Effect.fail(new TypeError(`${issue}.`))
      return Effect.as(at === 0 ? Effect.void : pause, encoder.encode(ServerSentEvents.textOf(event)))
    })
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

const encoder = new TextEncoder()
