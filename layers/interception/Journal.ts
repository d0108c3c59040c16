/**
 * Every request that reached the gateway, in order of arrival, whatever answered it.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AwaitRequestOptions } from "../../src/HttpInterception.js"
import type { InvalidInterceptor } from "../../src/InterceptionError.js"
import type { InvalidRoute } from "../../src/IPCError.js"
import { printable } from "../../src/internal/Printable.js"
import type { RecordedCall, RecordedRequest } from "../../src/RecordedCall.js"
import type { RequestMatcher } from "../../src/RequestMatcher.js"
import type { Exchange } from "../http/Exchange.js"
import type { NodeHttpGateway } from "../http/NodeHttpGateway.js"
import { pathOf } from "../http/RequestTarget.js"
import type { ApiRequests } from "./ApiRequests.js"
import type { Recorder } from "./CallRecording.js"
import * as ContentType from "./ContentType.js"
import * as Difference from "./Difference.js"
import * as MatchedBody from "./MatchedBody.js"
import * as Matching from "./Matching.js"
import * as ReadableBody from "./ReadableBody.js"
import * as RecordedExchange from "./RecordedExchange.js"
import * as RecordedMessage from "./RecordedMessage.js"
import { withinRealTime } from "./Recording.js"
import * as Validation from "./Validation.js"

/** A request in the journal. */
export interface Entry {
  /** Counted from 1, in order of arrival. */
  readonly order: number
  readonly head: Matching.RequestHead & Pick<Exchange["request"], "headers" | "rawHeaders">
  /** Once it has arrived with its whole body. */
  request: RecordedRequest | undefined
  /** Once it was answered. */
  call: RecordedCall | undefined
  /** Its body as matchers see it, where that takes time to find out. */
  body: MatchedBody.MatchedBody | Promise<MatchedBody.MatchedBody> | undefined
}

/** A request that was answered. */
export interface Answered {
  readonly entry: Entry
  readonly call: RecordedCall
  readonly sent: RecordedExchange.SentHeads
}

/** Which entries of the journal a group sees. */
export interface View {
  /** The order of the first that may be seen. */
  readonly since: number
  readonly sees: (entry: Entry) => boolean
  /** Those that may have been meant to be seen. */
  readonly misses: (entry: Entry) => boolean
  /** What to do where nothing was seen. */
  readonly hint: string
}

export class Journal {
  readonly #apis: ApiRequests
  #entries: Array<Entry> = []
  #count = 0
  readonly #listeners = new Set<() => void>()
  readonly #callListeners = new Set<(answered: Answered) => void>()

  constructor(apis: ApiRequests) {
    this.#apis = apis
  }

  /** The order of the next entry. */
  get next(): number {
    return this.#count + 1
  }

  /** Keeps what reaches the gateway until the scope closes. What a mock forwards has been kept as it came. */
  record(
    gateway: NodeHttpGateway,
    recorder: Recorder,
    isForwarded: (request: Exchange["request"]) => boolean
  ): Effect.Effect<void, never, Scope.Scope> {
    return gateway.watch((exchange) => {
      const { request } = exchange
      if (isForwarded(request)) return exchange
      const { headers, headersDistinct, method, rawHeaders, url } = request
      const entry: Entry = {
        order: ++this.#count,
        head: { method, url, headers, headersDistinct, rawHeaders },
        request: undefined,
        call: undefined,
        body: undefined
      }
      this.#entries.push(entry)
      if (this.#entries.length > MAX_ENTRIES + SLACK) this.#entries.splice(0, SLACK)
      const query = (url as string).slice(pathOf(url as string).length + 1)
      return RecordedExchange.watch(
        exchange,
        { params: {}, query },
        {
          ...recorder,
          onRequest: (arrived) => this.#arrive(entry, arrived),
          onEnd: (call, sent) => {
            entry.call = call
            for (const listener of this.#callListeners) listener({ entry, call, sent })
          },
          onDiscard: () => {}
        }
      ).exchange
    })
  }

  #arrive(entry: Entry, request: RecordedRequest): void {
    entry.request = request
    // Begun now, so that it is there when the test reads its calls.
    if (ContentType.kindOf(ReadableBody.contentTypeOf(request.headers)) === "multipart") {
      const body = bodyOf(entry)
      entry.body = body
      if (body instanceof Promise) {
        body.then((read) => {
          entry.body = read
        })
      }
    }
    for (const listener of [...this.#listeners]) listener()
  }

  /** Those that were answered and match. */
  calls(
    view: View,
    matcher: RequestMatcher | undefined
  ): Effect.Effect<ReadonlyArray<RecordedCall>, InvalidInterceptor | InvalidRoute> {
    if (matcher === undefined) {
      return Effect.sync(() => this.#seenBy(view).flatMap(({ call }) => (call === undefined ? [] : [call])))
    }
    return Effect.gen(this, function* () {
      const takes = yield* this.#taking("calls", matcher, {})
      const calls: Array<RecordedCall> = []
      for (const { call, ...entry } of this.#seenBy(view)) {
        if (call === undefined) continue
        const matched = yield* takes(entry)
        if (matched !== undefined) calls.push({ ...call, request: matched })
      }
      return calls
    })
  }

  /** Waits for the n-th that matches. Dies where it doesn't arrive within the timeout. */
  awaitRequest(
    view: View,
    matcher: RequestMatcher,
    options: AwaitRequestOptions
  ): Effect.Effect<RecordedRequest, InvalidInterceptor | InvalidRoute> {
    return Effect.gen(this, function* () {
      const takes = yield* this.#taking("awaitRequest", matcher, options)
      const { count = 1, timeout } = options
      let seen = 0
      const looked = new Set<Entry>()
      const next = () => this.#seenBy(view).find((entry) => entry.request !== undefined && !looked.has(entry))
      const waiting = Effect.gen(this, function* () {
        while (true) {
          const entry = next()
          if (entry === undefined) {
            yield* this.#until(() => next() !== undefined)
            continue
          }
          looked.add(entry)
          const matched = yield* takes(entry)
          if (matched !== undefined && ++seen === count) return matched
        }
      })
      if (timeout === undefined) return yield* waiting
      const message = Effect.map(this.told(view, matcher), (instead) => {
        const awaited = count === 1 ? "" : `; number ${count} was awaited`
        const arrived = seen === 0 ? "No request" : `Only ${seen === 1 ? "one request" : `${seen} requests`}`
        const within = Duration.format(Duration.decode(timeout))
        return `${arrived} for ${Matching.textOf(matcher)} arrived within ${within}${awaited}.\n${instead}`
      })
      return yield* withinRealTime(
        waiting,
        timeout,
        Effect.orElseSucceed(message, () => "")
      )
    })
  }

  /** Calls the listener with each that is answered, until the scope closes. */
  onCall(view: View, listener: (answered: Answered) => void): Effect.Effect<void, never, Scope.Scope> {
    const seeing = (answered: Answered) => {
      if (answered.entry.order >= view.since && view.sees(answered.entry)) listener(answered)
    }
    return Effect.acquireRelease(
      Effect.sync(() => void this.#callListeners.add(seeing)),
      () => Effect.sync(() => this.#callListeners.delete(seeing))
    )
  }

  /** Whether an entry matches. */
  matching(
    call: string,
    matcher: RequestMatcher
  ): Effect.Effect<(entry: Entry) => Effect.Effect<boolean>, InvalidInterceptor | InvalidRoute> {
    return Effect.map(
      this.#taking(call, matcher, {}),
      (takes) => (entry) => Effect.map(takes(entry), (request) => request !== undefined)
    )
  }

  /** The latest requests, and where each differs from what is wanted. */
  told(view: View, matcher: RequestMatcher): Effect.Effect<string, InvalidRoute> {
    return Effect.map(Matching.make(matcher), (matching) => {
      const entries = this.#seenBy(view)
      const missed = this.#entries.filter((entry) => entry.order >= view.since && view.misses(entry))
      return [
        ...(entries.length === 0
          ? [`Nothing else has arrived. ${view.hint}`]
          : listed("What has arrived:", entries, matching)),
        ...(missed.length === 0 ? [] : listed("Without its trace context came:", missed, matching))
      ].join("\n")
    })
  }

  /**
   * Of the requests that went past an interceptor, the one that came nearest, and where it differs: all but the path's beginning
   * matches, or the path and nothing else.
   */
  nearest(view: View, matching: Matching.Matching, wentPast: (entry: Entry) => boolean): string | undefined {
    let best: Entry | undefined
    let bestAgreed = -1
    for (const entry of this.#seenBy(view)) {
      if (entry.call?.response === undefined || !wentPast(entry)) continue
      const { agreed, differences } = matching.mismatch(entry.head, undefined)
      const isNear = agreed > 0 ? differences.length > 0 : Matching.matchesEnd(matching, entry.head)
      if (!isNear || agreed < bestAgreed) continue
      best = entry
      bestAgreed = agreed
    }
    return best === undefined ? undefined : told(best, matching, ", but ")
  }

  #seenBy(view: View): ReadonlyArray<Entry> {
    return this.#entries.filter((entry) => entry.order >= view.since && view.sees(entry))
  }

  /** Gives the request with the params of its path where it matches. */
  #taking(
    call: string,
    matcher: RequestMatcher,
    options: AwaitRequestOptions
  ): Effect.Effect<Takes, InvalidInterceptor | InvalidRoute> {
    return Effect.gen(this, function* () {
      yield* Validation.checkCall(call, matcher, options)
      const matching = yield* Matching.make(matcher)
      const { body: wanted } = matching
      const { api, path } = matcher
      return (entry) =>
        Effect.gen(this, function* () {
          const { head, request } = entry
          if (request === undefined) return undefined
          const matched = matching.match(head) ?? (yield* this.#matchBelow(matching, matcher, head))
          if (matched === undefined) return undefined
          if (api !== undefined && path === undefined) {
            const isFor = yield* Effect.orElseSucceed(this.#apis.isFor(api, request.path), () => false)
            if (!isFor) return undefined
          }
          if (wanted !== undefined) {
            if (request.truncated) return undefined
            const body = entry.body ?? bodyOf(entry)
            const read = body instanceof Promise ? yield* Effect.promise(() => body) : body
            if (read === undefined || MatchedBody.differences(read, wanted).length > 0) return undefined
          }
          return Object.keys(matched.params).length === 0
            ? request
            : RecordedMessage.withParams(request, matched.params)
        })
    })
  }

  /** As an interceptor with an api matches the path that its service gets. */
  #matchBelow(
    matching: Matching.Matching,
    { api, path }: RequestMatcher,
    head: Matching.RequestHead
  ): Effect.Effect<Matching.Matched | undefined> {
    if (api === undefined || path === undefined) return Effect.succeed(undefined)
    return this.#apis.strippedPrefix(api, pathOf(head.url as string)).pipe(
      Effect.orElseSucceed(() => undefined),
      Effect.map((prefix) => (prefix === undefined ? undefined : Matching.matchBelow(matching, head, prefix)))
    )
  }

  /** Waits for an arrival after which it holds. */
  #until(holds: () => boolean): Effect.Effect<void> {
    return Effect.async((resume) => {
      const look = () => {
        if (!holds()) return
        this.#listeners.delete(look)
        resume(Effect.void)
      }
      this.#listeners.add(look)
      look()
      return Effect.sync(() => this.#listeners.delete(look))
    })
  }
}

type Takes = (entry: Omit<Entry, "call">) => Effect.Effect<RecordedRequest | undefined>

/** Of a request that has arrived; what was recorded of it in part matches nothing. */
const bodyOf = ({ request }: Pick<Entry, "request">): Entry["body"] =>
  request === undefined || request.truncated ? undefined : MatchedBody.read(request.headers, Buffer.from(request.bytes))

const told = (entry: Entry, { mismatch }: Matching.Matching, joint = ": "): string => {
  const { call, head, request } = entry
  const path = printable(pathOf(head.url as string))
  const body = entry.body ?? bodyOf(entry)
  const { differences } = mismatch(head, body instanceof Promise ? undefined : body)
  return `${head.method} ${path}, ${outcomeOf(call, request)}${joint}${Difference.inWords(differences)}`
}

const listed = (title: string, entries: ReadonlyArray<Entry>, matching: Matching.Matching): ReadonlyArray<string> => {
  const latest = entries.slice(-MAX_TOLD)
  const before = entries.length - latest.length
  return [
    title,
    ...(before === 0 ? [] : [`  … ${before} before these`]),
    ...latest.map((entry) => `  - ${told(entry, matching)}`)
  ]
}

const outcomeOf = (call: RecordedCall | undefined, request: RecordedRequest | undefined): string => {
  if (request === undefined) return "whose body is still to come"
  if (call === undefined) return "not answered yet"
  return call.response === undefined ? "cut off" : `answered ${call.response.status}`
}

/** How many are kept. */
const MAX_ENTRIES = 10_000

const SLACK = 1_000

/** How many a message tells of. */
const MAX_TOLD = 10
