/**
 * The interceptors of a gateway: which are installed, which are verified together, and what went wrong.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { UnmatchedRequest } from "../../src/HttpInterception.js"
import { UnverifiedInterception } from "../../src/InterceptionError.js"
import type { RequestMatcher } from "../../src/RequestMatcher.js"
import type { Exchange } from "../http/Exchange.js"
import { pathOf } from "../http/RequestTarget.js"
import { isBelow } from "./ApiRequests.js"
import * as Difference from "./Difference.js"
import type { View } from "./Journal.js"
import type { MatchedBody } from "./MatchedBody.js"
import * as Matching from "./Matching.js"
import * as SessionTrace from "./SessionTrace.js"

export type Kind = "mock" | "spy" | "fault" | "WebSocket mock" | "WebSocket spy"

/** One interceptor, installed until it is removed. */
export interface Installed {
  readonly kind: Kind
  readonly matcher: RequestMatcher
  readonly matching: Matching.Matching
  readonly session: SessionTrace.SessionTrace | undefined
  readonly name: string
  readonly times: number | undefined
  readonly optional: boolean
  /** Greater than that of every interceptor beneath it. */
  readonly order: number
  calls: number
  removed: boolean
}

export const takesMore = ({ calls, removed, times }: Installed): boolean =>
  !removed && calls < (times ?? Number.POSITIVE_INFINITY)

/** A handler of an interceptor that failed: the test's own mistake, or an assertion in it. */
export interface HandlerFailure {
  /** The interceptor's. */
  readonly name: string
  readonly method: string
  readonly path: string
  readonly failure: string
  readonly error: unknown
}

/** Interceptors that are verified together, and what went wrong since the group was made. */
export interface Group {
  /** What it sees of the journal. */
  readonly view: View
  /** The test whose requests alone its interceptors see; `undefined` where they see all. */
  readonly session: SessionTrace.SessionTrace | undefined
  /** Whether interceptors that were removed are verified, too. */
  readonly keepsRemoved: boolean
  readonly installed: Set<Installed>
  readonly unmatched: Array<Unmatched>
  readonly failed: Array<HandlerFailure>
  /** What would have been the session's, but for its trace context. */
  readonly strays: Array<Stray>
}

/** A request without a session's trace context that an interceptor of the session would have taken. */
export interface Stray {
  readonly installed: Installed
  readonly request: StrayRequest
}

/** What the strays of one request share. */
interface StrayRequest extends Pick<IncomingMessage, "method" | "url" | "headers"> {
  /** `missed` once it was answered, and not by an interceptor that belongs to no session, for a test that has none. */
  outcome: "open" | "intercepted" | "missed"
}

/** A request that nothing matched, and where it differs from the nearest interceptor. */
export interface Unmatched {
  readonly request: UnmatchedRequest
  readonly differences: ReadonlyArray<Difference.Difference>
}

export class Interceptors {
  /** Topmost first, of all groups. */
  #installed: ReadonlyArray<Installed> = []
  readonly #groups = new Set<Group>()
  readonly #sessions: SessionTrace.SessionTraces
  #count = 0
  /** The bodies that were read for matching, by the request's raw headers, which every form of a request shares. */
  readonly #bodies = new WeakMap<object, MatchedBody>()

  /** The requests that belong to no session, and that one would have taken; as the bodies. */
  readonly #strays = new WeakMap<object, StrayRequest>()

  /** The requests that an interceptor answers; as the bodies. */
  readonly #intercepted = new WeakSet<object>()

  constructor(sessions: SessionTrace.SessionTraces) {
    this.#sessions = sessions
  }

  isIntercepted(rawHeaders: object): boolean {
    return this.#intercepted.has(rawHeaders)
  }

  /** A new group, which is told of unmatched requests until the scope closes. */
  readonly group = (
    options: Pick<Group, "keepsRemoved" | "session" | "view">
  ): Effect.Effect<Group, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const group: Group = { ...options, installed: new Set(), unmatched: [], failed: [], strays: [] }
        this.#groups.add(group)
        return group
      }),
      (group) => Effect.sync(() => this.#groups.delete(group))
    )

  /** Counts the interceptor as installed until the scope closes. */
  install(group: Group, installed: Installed): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.#installed = [installed, ...this.#installed].sort((a, b) => b.order - a.order)
        group.installed.add(installed)
      }),
      () =>
        Effect.sync(() => {
          installed.removed = true
          this.#installed = this.#installed.filter((other) => other !== installed)
          if (!group.keepsRemoved) group.installed.delete(installed)
        })
    )
  }

  /** Above all that were installed before; those of a session above all that are of none. */
  nextOrder({ session }: Group): number {
    return ++this.#count + (session === undefined ? 0 : OF_SESSIONS)
  }

  bodyOf(request: IncomingMessage): MatchedBody | undefined {
    return this.#bodies.get(request.rawHeaders)
  }

  keepBody(request: IncomingMessage, body: MatchedBody): void {
    this.#bodies.set(request.rawHeaders, body)
  }

  /** Whether the request is for a group: not where it belongs to a session that isn't the group's. */
  isFor({ session }: Pick<Group, "session">, { headers }: Pick<IncomingMessage, "headers">): boolean {
    return session === undefined ? !this.#sessions.isOwned(headers) : session.owns(headers)
  }

  /** Whether the request belongs to no session. */
  isStray({ headers }: IncomingMessage): boolean {
    return !this.#sessions.isOwned(headers)
  }

  /** Keeps a request that belongs to no session, and that the interceptor would have taken if it belonged to its own. */
  noteStray(group: Group, installed: Installed, exchange: Exchange): void {
    const request = this.#strayOf(exchange)
    if (group.strays.some((other) => other.request === request)) return
    push(group.strays, { installed, request })
  }

  #strayOf({ request: { headers, method, rawHeaders, url }, response }: Exchange): StrayRequest {
    const known = this.#strays.get(rawHeaders)
    if (known !== undefined) return known
    const stray: StrayRequest = { headers, method, url, outcome: "open" }
    this.#strays.set(rawHeaders, stray)
    response.once("close", () => {
      if (stray.outcome === "open") stray.outcome = "missed"
    })
    return stray
  }

  /** Tells whether an interceptor answers the request. */
  setIntercepted({ rawHeaders }: IncomingMessage, intercepted: boolean): void {
    if (intercepted) this.#intercepted.add(rawHeaders)
    else this.#intercepted.delete(rawHeaders)
    const stray = this.#strays.get(rawHeaders)
    if (stray !== undefined) stray.outcome = intercepted ? "intercepted" : "open"
  }

  /** Keeps the request for the groups that it is for, and gives a hint for its 404. */
  readonly onUnmatched = (request: IncomingMessage): string | undefined => {
    const near = this.#nearest(request)
    const unmatched: Unmatched = {
      request: { method: request.method as string, path: pathOf(request.url as string), nearest: near?.text },
      differences: near?.differences ?? []
    }
    for (const group of this.#groups) {
      if (this.isFor(group, request)) push(group.unmatched, unmatched)
    }
    const stray = this.#strays.get(request.rawHeaders)
    if (stray !== undefined) stray.outcome = "missed"
    if (near !== undefined) return `The interceptor that came nearest: ${near.text}.`
    return this.#installed.length === 0 ? undefined : "No interceptor is like it."
  }

  /** The interceptor that matched most of the request, and the first part that differed. */
  #nearest(request: IncomingMessage): NearMiss | undefined {
    let best: NearMiss | undefined
    let bestScore = 0
    const path = pathOf(request.url as string)
    for (const installed of this.#installed) {
      const { kind, matcher, matching, name, session } = installed
      const isOwned = session?.owns(request.headers) ?? true
      // Of other tests it tells nothing.
      if (!isOwned && this.#sessions.isOwned(request.headers)) continue
      // A spy doesn't answer, so it isn't what a 404 is missing.
      if (kind === "spy" || kind === "WebSocket spy") continue
      if (matcher.path === undefined && !isBelow(`/${matcher.api ?? ""}`, path)) continue
      const { agreed, differences: differing } = matching.mismatch(request, this.bodyOf(request))
      const differences = isOwned ? differing : [SessionTrace.missing(request.headers), ...differing]
      if (differences.length === 0 && takesMore(installed)) continue
      const score = agreed * 1_000 + Matching.resemblance(matcher.path, request.url as string)
      if (score <= bestScore) continue
      bestScore = score
      best = { text: `${kind} ${name}, but ${reasonOf(installed, differences)}`, differences }
    }
    return best
  }
}

interface NearMiss {
  readonly text: string
  readonly differences: ReadonlyArray<Difference.Difference>
}

const reasonOf = ({ calls }: Installed, differences: ReadonlyArray<Difference.Difference>): string =>
  differences.length === 0
    ? `it takes no more calls, after ${calls === 1 ? "one" : calls}`
    : Difference.inWords(differences)

const push = <A>(items: Array<A>, item: A): void => {
  items.push(item)
  if (items.length > MAX_KEPT) items.shift()
}

/** Keeps a failure for the interceptor's group. */
export const noteFailure = (group: Group, failure: HandlerFailure): void => push(group.failed, failure)

/**
 * Fails where one of the group wasn't called as often as expected, a handler failed, or something was unmatched. `nearest` tells
 * which request that a service answered came nearest to an interceptor.
 */
export const verify = (
  group: Group,
  nearest: (installed: Installed) => string | undefined
): Effect.Effect<void, UnverifiedInterception> =>
  Effect.suspend(() => {
    const uncalled = Array.from(group.installed).filter(
      ({ calls, optional, times }) => !optional && calls < (times ?? 1)
    )
    const isMissing = group.strays.some(({ request }) => request.outcome === "missed")
    if (uncalled.length === 0 && group.unmatched.length === 0 && group.failed.length === 0 && !isMissing) {
      return Effect.void
    }
    const unverified = new UnverifiedInterception({
      uncalled: uncalled.map((installed) => {
        const { calls, kind, name, times } = installed
        const near = nearest(installed)
        return {
          name: `${kind} ${name}`,
          calls,
          ...(times === undefined ? {} : { expected: times }),
          ...(near === undefined ? {} : { nearest: near })
        }
      }),
      unmatched: group.unmatched.map(({ differences, request: { method, nearest, path } }) => ({
        method,
        path,
        ...(nearest === undefined ? {} : { nearest }),
        ...(differences.length > 1 ? { differences } : {})
      })),
      failed: group.failed.map(({ failure, method, name, path }) => ({ name, method, path, failure })),
      strays: group.strays.map(({ installed, request: { headers, method, url } }) => {
        const carried = SessionTrace.described(headers)
        return {
          method: method as string,
          path: pathOf(url as string),
          interceptor: `${installed.kind} ${installed.name}`,
          ...(carried === undefined ? {} : { carried })
        }
      })
    })
    const [first] = group.failed
    // Shown by test runners, with the place of an assertion and its diff.
    if (first !== undefined) Object.defineProperty(unverified, "cause", { value: first.error, configurable: true })
    return unverified
  })

const MAX_KEPT = 1_000

const OF_SESSIONS = 2 ** 50
