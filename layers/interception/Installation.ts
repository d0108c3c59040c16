/**
 * Installs an interceptor on the gateway: finds out which exchanges it takes, and passes on the others.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import type { Installing, InterceptorOptions, RequestMatcher } from "../../src/HttpInterception.js"
import type { Exchange, NodeHttpGateway } from "../http/NodeHttpGateway.js"
import { pathOf } from "../http/RequestTarget.js"
import type { ApiRequests } from "./ApiRequests.js"
import type { Group, Installed, Interceptors, Kind } from "./Interceptors.js"
import { takesMore } from "./Interceptors.js"
import * as Matching from "./Matching.js"
import * as Preflight from "./Preflight.js"
import * as ReplayedRequest from "./ReplayedRequest.js"

export type PassOn = (exchange: Exchange) => void

/** Does with an exchange what the interceptor is for. */
export type Take = (exchange: Exchange, matched: Matching.Matched, passOn: PassOn) => void

export interface Installation {
  readonly kind: Kind
  readonly name: string
  readonly matcher: RequestMatcher
  readonly options: InterceptorOptions & { readonly cors?: boolean | undefined }
  readonly take: Take
}

/** Installs the interceptor in a group until the scope closes. */
export type Install = (group: Group, installation: Installation) => Installing<void>

export const make = (
  gateway: NodeHttpGateway,
  interceptors: Interceptors,
  apis: ApiRequests,
  maxBytes: number
): Install =>
  Effect.fnUntraced(function* (group, { kind, matcher, name, options, take }) {
    const matching = yield* Matching.make(matcher)
    const fork = Runtime.runFork(yield* Effect.runtime<never>())
    const installed: Installed = {
      kind,
      matcher,
      matching,
      name,
      times: options.times,
      optional: options.optional ?? false,
      calls: 0,
      removed: false
    }

    const isOfKind = ({ request, upgrade }: Exchange) => {
      if (kind === "webSocket" || kind === "spyWebSocket") {
        return upgrade !== undefined && request.headers.upgrade?.toLowerCase() === "websocket"
      }
      return kind !== "spy" || upgrade === undefined
    }

    const ifOfApi = (exchange: Exchange, passOn: PassOn, then: () => void) => {
      if (matcher.api === undefined || matcher.path !== undefined) return then()
      fork(apis.isFor(matcher.api, pathOf(exchange.request.url as string))).addObserver((exit) => {
        if (Exit.isSuccess(exit) && exit.value) then()
        else passOn(exchange)
      })
    }

    // The limit may have been reached while the api or the body was waited for.
    const claim = (exchange: Exchange, matched: Matching.Matched, passOn: PassOn) => {
      if (!takesMore(installed)) return passOn(exchange)
      installed.calls++
      take(exchange, matched, passOn)
    }

    const onExchange = (exchange: Exchange, passOn: PassOn): void => {
      if (!takesMore(installed) || !isOfKind(exchange)) return passOn(exchange)
      const { request, response } = exchange
      const preflightOf = options.cors === true ? Preflight.methodOf(request) : undefined
      const matched = matching.match(request, preflightOf)
      if (matched === undefined) return passOn(exchange)
      ifOfApi(exchange, passOn, () => {
        if (preflightOf !== undefined) return Preflight.answer(request, response, preflightOf)
        const { matchBody } = matching
        if (matchBody === undefined) return claim(exchange, matched, passOn)
        // What follows an upgrade's headers is no body.
        if (exchange.upgrade !== undefined) return passOn(exchange)
        ReplayedRequest.read(request, maxBytes, (replayed) => {
          const replayedExchange = { ...exchange, request: replayed }
          if (matchBody(replayed)) claim(replayedExchange, matched, passOn)
          else passOn(replayedExchange)
        })
      })
    }

    yield* interceptors.install(group, installed)
    yield* gateway.intercept(onExchange)
    if (matcher.api !== undefined) yield* apis.register(matcher.api)
  })
