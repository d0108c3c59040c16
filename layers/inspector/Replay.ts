/**
 * Sends a recorded request again, to the instance that had it.
 *
 * @internal
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import { millisOf } from "../../src/internal/MonotonicTime.js"
import { ofConnection, pairsOf } from "../http/HeaderPairs.js"
import * as PathPrefix from "../http/proxy/PathPrefix.js"
import * as BodyBytes from "./BodyBytes.js"
import type { ExchangeRecord, HeaderList } from "./InspectorProtocol.js"
import { bytesOf } from "./InspectorViews.js"

/** Why the request can't be sent again. */
export class NotReplayable extends Data.TaggedError("NotReplayable")<{ readonly message: string }> {}

/** The new exchange. One that gets no answer is one with a failure. */
export const replay = (record: ExchangeRecord, baseUrl: string): Effect.Effect<ExchangeRecord, NotReplayable> =>
  Effect.gen(function* () {
    const body = bytesOf(record.requestBody)
    if (body.length < record.requestBody.size) {
      return yield* new NotReplayable({ message: "Only a part of the request's body was recorded." })
    }
    if (!URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol) || !record.target.startsWith("/")) {
      return yield* new NotReplayable({ message: "The request's instance has no URL that can be asked." })
    }
    if (record.status === 101) return yield* new NotReplayable({ message: "An upgrade can't be sent again." })
    const clock = yield* Effect.clock
    const startedAt = clock.unsafeCurrentTimeMillis()
    const start = millisOf(clock)
    const answer = yield* send(record, baseUrl, body)
    return {
      ...record,
      ...answer,
      startedAt,
      durationMillis: millisOf(clock) - start,
      waitMillis: undefined,
      client: "inspector"
    }
  })

type Answer = Pick<ExchangeRecord, "status" | "responseHeaders" | "responseBody" | "failure">

const send = (record: ExchangeRecord, baseUrl: string, body: Buffer): Effect.Effect<Answer> =>
  Effect.async<Answer>((resume) => {
    const fail = (error: unknown) =>
      resume(
        Effect.succeed({ status: undefined, responseHeaders: [], responseBody: { size: 0 }, failure: messageOf(error) })
      )
    try {
      const base = new URL(baseUrl)
      const prefix = record.answerers.at(-1)?.stripPrefix
      const { request } = base.protocol === "https:" ? Https : Http
      const sent = request(
        {
          protocol: base.protocol,
          hostname: base.hostname.replace(/^\[|\]$/g, ""),
          port: base.port,
          method: record.method,
          path: `${base.pathname.replace(/\/+$/, "")}${prefix === undefined ? record.target : PathPrefix.strip(record.target, prefix)}`,
          headers: headersOf(record.requestHeaders, body, prefix),
          setHost: false,
          agent: false,
          timeout: timeoutMillis
        },
        (response) => {
          const chunks: Array<Buffer> = []
          let size = 0
          let kept = 0
          const end = (failure: string | undefined) =>
            resume(
              Effect.succeed({
                status: response.statusCode,
                responseHeaders: pairsOf(response.rawHeaders),
                responseBody: BodyBytes.toRecord(Buffer.concat(chunks), size),
                failure
              })
            )
          response.on("data", (chunk: Buffer) => {
            size += chunk.length
            const part = chunk.subarray(0, maxBodyBytes - kept)
            if (part.length > 0) chunks.push(part)
            kept += part.length
          })
          response.on("end", () => end(undefined))
          response.on("error", (error) => end(messageOf(error)))
        }
      )
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${timeoutMillis / 1000} seconds`)))
      sent.on("error", fail)
      sent.end(body)
      return Effect.sync(() => void sent.destroy())
    } catch (error) {
      fail(error)
      return undefined
    }
  })

const headersOf = (headers: HeaderList, body: Buffer, prefix: string | undefined): ReadonlyArray<string> => [
  ...headers.filter(([name]) => !ofConnection.has(name.toLowerCase())).flat(),
  ...(prefix === undefined ? [] : ["x-forwarded-prefix", prefix]),
  ...(body.length === 0 ? [] : ["content-length", String(body.length)])
]

const maxBodyBytes = 256 * 1024

const timeoutMillis = 30_000
