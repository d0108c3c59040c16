/**
 * The interceptors of a gateway: which are installed, which are verified together, and what nothing matched.
 */
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RequestMatcher, UnmatchedRequest } from "../../src/HttpInterception.js"
import { UnverifiedInterception } from "../../src/IPCError.js"
import { pathOf } from "../http/RequestTarget.js"
import { isBelow } from "./ApiRequests.js"
import * as Matching from "./Matching.js"

export type Kind = "mock" | "spy" | "fault" | "webSocket" | "spyWebSocket"

/** One interceptor, installed until it is removed. */
export interface Installed {
  readonly kind: Kind
  readonly matcher: RequestMatcher
  readonly matching: Matching.Matching
  readonly name: string
  readonly times: number | undefined
  readonly optional: boolean
  calls: number
  removed: boolean
}

export const takesMore = ({ calls, removed, times }: Installed): boolean =>
  !removed && calls < (times ?? Number.POSITIVE_INFINITY)

/** Interceptors that are verified together, and the requests that nothing matched since the group was made. */
export interface Group {
  /** Whether interceptors that were removed are verified, too. */
  readonly keepsRemoved: boolean
  readonly installed: Set<Installed>
  readonly unmatched: Array<UnmatchedRequest>
}

export class Interceptors {
  /** Newest first, of all groups. */
  #installed: ReadonlyArray<Installed> = []
  readonly #groups = new Set<Group>()

  /** A new group, which is told of unmatched requests until the scope closes. */
  group(keepsRemoved: boolean): Effect.Effect<Group, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const group: Group = { keepsRemoved, installed: new Set(), unmatched: [] }
        this.#groups.add(group)
        return group
      }),
      (group) => Effect.sync(() => this.#groups.delete(group))
    )
  }

  /** Counts the interceptor as installed until the scope closes. */
  install(group: Group, installed: Installed): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.#installed = [installed, ...this.#installed]
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

  /** Keeps the request for every group, and gives a hint for its 404. */
  readonly onUnmatched = (request: IncomingMessage): string | undefined => {
    const nearest = this.#nearest(request)
    const unmatched: UnmatchedRequest = {
      method: request.method as string,
      path: pathOf(request.url as string),
      nearest
    }
    for (const group of this.#groups) {
      group.unmatched.push(unmatched)
      if (group.unmatched.length > MAX_UNMATCHED) group.unmatched.shift()
    }
    if (nearest !== undefined) return `The interceptor that came nearest: ${nearest}.`
    return this.#installed.length === 0 ? undefined : "No interceptor is like it."
  }

  /** The interceptor that matched most of the request, and the first part that differed. */
  #nearest(request: IncomingMessage): string | undefined {
    let best: { readonly score: number; readonly text: string } | undefined
    const path = pathOf(request.url as string)
    for (const installed of this.#installed) {
      const { kind, matcher, matching, name } = installed
      // A spy doesn't answer, so it isn't what a 404 is missing.
      if (kind === "spy" || kind === "spyWebSocket") continue
      if (matcher.path === undefined && !isBelow(`/${matcher.api ?? ""}`, path)) continue
      const { agreed, what } = matching.difference(request)
      if (agreed === Matching.ALL_AGREED && takesMore(installed)) continue
      const score = agreed * 1_000 + Matching.resemblance(matcher.path, request.url as string)
      if (score === 0 || (best !== undefined && best.score >= score)) continue
      best = { score, text: `${kind} ${name}, but ${what}` }
    }
    return best?.text
  }
}

/** Fails where one of the group wasn't called as often as expected, or something was unmatched. */
export const verify = (group: Group): Effect.Effect<void, UnverifiedInterception> =>
  Effect.suspend(() => {
    const uncalled = Array.from(group.installed).filter(
      ({ calls, optional, times }) => !optional && calls < (times ?? 1)
    )
    if (uncalled.length === 0 && group.unmatched.length === 0) return Effect.void
    return new UnverifiedInterception({
      uncalled: uncalled.map(({ calls, kind, name, times }) => ({
        name: `${kind} ${name}`,
        calls,
        ...(times === undefined ? {} : { expected: times })
      })),
      unmatched: group.unmatched.map(({ method, nearest, path }) => ({
        method,
        path,
        ...(nearest === undefined ? {} : { nearest })
      }))
    })
  })

const MAX_UNMATCHED = 1_000
