/**
 * Answers requests with what a HAR file has.
 *
 * @internal
 */
import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { MockRequest, ReplayOptions } from "../../src/HttpInterception.js"
import * as Intercept from "../../src/Intercept.js"
import { HarFailed } from "../../src/InterceptionError.js"
import * as Har from "../../src/internal/Har.js"
import { issueOf, kindOf, type OptionNames } from "../../src/internal/OptionNames.js"
import { printable } from "../../src/internal/Printable.js"
import { parseQuery, pathOf } from "../http/RequestTarget.js"
import * as Difference from "./Difference.js"
import * as MatchedBody from "./MatchedBody.js"
import { FailedAnswer } from "./Mock.js"
import * as ReadableBody from "./ReadableBody.js"

/** A recorded request, and its answers in sequence. */
interface Recorded {
  readonly method: string
  readonly path: string
  readonly query: unknown
  readonly body: MatchedBody.MatchedBody
  readonly answers: Array<NonNullable<Har.HarExchange["response"]>>
  asked: number
}

export const optionsIssue = (options: ReplayOptions): string | undefined => {
  const names: OptionNames<ReplayOptions> = { unmatched: true, match: true, ignore: true }
  const issue = issueOf("its options", options, names)
  if (issue !== undefined) return issue
  const { ignore, unmatched } = options
  if (unmatched !== undefined && unmatched !== "fail" && unmatched !== "forward") {
    return `unmatched is "fail" or "forward", not ${Difference.show(unmatched)}`
  }
  const isParts =
    ignore === undefined || (Array.isArray(ignore) && ignore.every((part) => part === "query" || part === "body"))
  return isParts ? undefined : `ignore is a list of "query" and "body", not ${kindOf(ignore)}`
}

/** The handler of a mock that answers from the file. */
export const handlerOf = (
  path: string,
  { ignore = [], unmatched = "fail" }: ReplayOptions
): Effect.Effect<(request: MockRequest) => Effect.Effect<unknown>, HarFailed> =>
  Effect.gen(function* () {
    const failed = (detail: string) => new HarFailed({ file: path, action: "read", detail })
    const json = yield* Effect.tryPromise({
      try: () => readFile(path, "utf8"),
      catch: (error) => failed((error as Error).message)
    })
    const exchanges = yield* Either.mapLeft(Har.fromJson(json), failed)
    const recorded = yield* inSequence(exchanges, ignore)

    return (request) =>
      Effect.gen(function* () {
        const asked = yield* askedOf(request)
        const { found, nearest } = lookUp(recorded, asked, ignore)
        if (found !== undefined) return answerOf(found)
        if (unmatched === "forward") return Intercept.pass
        const near = nearest === undefined ? "" : ` The one that came nearest: ${nearest}.`
        const error = `${path} has no answer for ${request.method} ${printable(request.path)}.${near}`
        return new FailedAnswer(
          Response.json({ error }, { status: 404 }),
          `${error} Record it anew, or pass { unmatched: "forward" } or { ignore }`
        )
      })
  })

type Asked = Pick<Recorded, "method" | "path" | "query" | "body">

/** In order of arrival; those that weren't answered can't be replayed. */
const inSequence = (
  exchanges: ReadonlyArray<Har.HarExchange>,
  ignore: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Recorded>> =>
  Effect.gen(function* () {
    const all: Array<Recorded> = []
    const byPlace = new Map<string, Array<Recorded>>()
    for (const { request, response } of [...exchanges].sort((a, b) => a.startedAt - b.startedAt)) {
      // Of an upgrade, or one that wasn't answered.
      if (response === undefined || response.status < 200 || response.status > 599) continue
      const target = targetOf(request.url)
      const headers = Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value]))
      const asked: Asked = {
        method: request.method.toUpperCase(),
        path: pathOf(target),
        query: parseQuery(target.slice(pathOf(target).length + 1)),
        body: yield* read(headers, Buffer.from(request.body.bytes))
      }
      const place = `${asked.method} ${asked.path}`
      const there = byPlace.get(place) ?? []
      byPlace.set(place, there)
      const same = there.find((other) => differencesOf(asked, other, ignore).length === 0)
      if (same !== undefined) {
        same.answers.push(response)
        continue
      }
      const recorded: Recorded = { ...asked, answers: [response], asked: 0 }
      there.push(recorded)
      all.push(recorded)
    }
    return all
  })

/** Hosts don't matter: the file may be of another gateway, or of a browser. */
const targetOf = (url: string): string => url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, "").replace(/^(?!\/)/, "/")

const askedOf = ({ bytes, headers, method, path, query }: MockRequest): Effect.Effect<Asked> =>
  Effect.map(read(headers, Buffer.from(bytes)), (body) => ({ method, path, query, body }))

const read = (headers: Readonly<Record<string, string>>, bytes: Buffer): Effect.Effect<MatchedBody.MatchedBody> =>
  Effect.suspend(() => {
    // A HAR file's bodies are without their content encoding.
    const isPlain = ReadableBody.decompress(headers, bytes) === undefined
    const read = MatchedBody.read(isPlain ? { ...headers, "content-encoding": "" } : headers, bytes)
    return read instanceof Promise ? Effect.promise(() => read) : Effect.succeed(read)
  })

const lookUp = (all: ReadonlyArray<Recorded>, asked: Asked, ignore: ReadonlyArray<string>) => {
  let nearest: string | undefined
  for (const recorded of all) {
    if (recorded.method !== asked.method || recorded.path !== asked.path) continue
    const differences = differencesOf(asked, recorded, ignore)
    if (differences.length === 0) return { found: recorded }
    nearest ??= `${recorded.method} ${recorded.path}, but ${Difference.inWords(differences)}`
  }
  return { nearest }
}

const differencesOf = (
  asked: Asked,
  recorded: Asked,
  ignore: ReadonlyArray<string>
): ReadonlyArray<Difference.Difference> => [
  ...(ignore.includes("query") ? [] : exactly(asked.query, recorded.query, "query")),
  ...(ignore.includes("body") ? [] : exactly(asked.body.value, recorded.body.value, "body"))
]

const exactly = (value: unknown, recorded: unknown, part: string) =>
  recorded === undefined && value === undefined
    ? []
    : Difference.between(
        value,
        Intercept.exact(recorded === undefined ? Intercept.absent : withAnything(recorded)),
        part
      )

/** What was hidden is like anything. */
const withAnything = (recorded: unknown): unknown => {
  if (recorded === Har.hidden) return anything
  if (typeof recorded === "string" && recorded.includes(Har.hidden)) return likeText(recorded)
  if (Array.isArray(recorded)) return recorded.map(withAnything)
  if (!Predicate.isRecord(recorded) || recorded instanceof Uint8Array) return recorded
  return Object.fromEntries(Object.entries(recorded).map(([name, value]) => [name, withAnything(value)]))
}

const anything = { asymmetricMatch: () => true, toAsymmetricMatcher: () => "anything, as it was hidden" }

const likeText = (recorded: string): RegExp => new RegExp(`^${recorded.split(Har.hidden).map(escaped).join("[^]*")}$`)

const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&")

const answerOf = (recorded: Recorded): unknown => {
  const { body, headers, status } = recorded.answers[
    Math.min(recorded.asked++, recorded.answers.length - 1)
  ] as Recorded["answers"][number]
  const cut = (body.size ?? 0) > body.bytes.length && status !== 304
  if (cut) {
    const error = `The recorded answer of ${recorded.method} ${recorded.path} isn't whole: record it with a greater { maxRecordedBytes }, or with { redact: false } where its content encoding is one that can't be searched for secrets`
    return new FailedAnswer(Response.json({ error }, { status: 500 }), error)
  }
  const sent = new Headers()
  const encoding = headers.find(([name]) => name.toLowerCase() === "content-encoding")?.[1] ?? ""
  const isEncoded = ReadableBody.decompress({ "content-encoding": encoding }, Buffer.from(body.bytes)) !== undefined
  for (const [name, given] of headers) {
    const lower = name.toLowerCase()
    const isSent = HEADER_NAME.test(name) && !OF_CONNECTION.has(lower) && (lower !== "content-encoding" || isEncoded)
    if (!isSent) continue
    // Browsers write the values of a header that came more than once in lines.
    for (const value of given.split("\n")) if (value !== Har.hidden) sent.append(name, sendable(value))
  }
  const hasNone = status === 204 || status === 205 || status === 304 || recorded.method === "HEAD"
  return new Response(hasNone ? null : new Uint8Array(body.bytes), { status, headers: sent })
}

/** RFC 9110 section 5.6.2; those of HTTP/2 that begin with a colon are no headers (RFC 9113 section 8.3). */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/

/** As it came: a file has it as text, and it was sent as bytes. */
const sendable = (value: string): string => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it removes
  const plain = value.replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f]/g, "").trim()
  return /[\u0100-\uffff]/.test(plain) ? Buffer.from(plain, "utf8").toString("latin1") : plain
}

/** What is made anew for each connection and body. */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
  "date"
])
