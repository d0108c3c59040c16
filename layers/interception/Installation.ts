/**
 * Installs an interceptor on the gateway: finds out which exchanges it takes, and passes on the others.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import type { Installing, InterceptorOptions } from "../../src/HttpInterception.js"
import * as RunFork from "../../src/internal/RunFork.js"
import type { RequestMatcher } from "../../src/RequestMatcher.js"
import type { Exchange } from "../http/Exchange.js"
import { NoRoom } from "../http/ExchangeMemory.js"
import type { GatewayResponse } from "../http/GatewayResponse.js"
import * as JsonResponse from "../http/JsonResponse.js"
import type { NodeHttpGateway } from "../http/NodeHttpGateway.js"
import { pathOf } from "../http/RequestTarget.js"
import { hasWebSocket } from "../http/upgrade/Offer.js"
import type { ApiRequests } from "./ApiRequests.js"
import type { Forwarding } from "./Forwarding.js"
import type { Group, Installed, Interceptors, Kind } from "./Interceptors.js"
import { takesMore } from "./Interceptors.js"
import * as MatchedBody from "./MatchedBody.js"
import * as Matching from "./Matching.js"
import * as Preflight from "./Preflight.js"
import * as ReplayedRequest from "./ReplayedRequest.js"

export type PassOn = (exchange: Exchange) => void

/** An exchange that an interceptor takes. */
export interface Taken {
  readonly exchange: Exchange
  readonly matched: Matching.Matched
  /** Its body, where the interceptor matched it. */
  readonly body: MatchedBody.MatchedBody | undefined
  readonly installed: Installed
  readonly passOn: PassOn
  /** Doesn't count it as a call. */
  readonly decline: () => void
}

export interface Installation {
  readonly kind: Kind
  readonly name: string
  readonly matcher: RequestMatcher
  readonly options: InterceptorOptions & { readonly cors?: boolean | undefined }
  /** Whether the interceptor beneath or the service answers all the same. */
  readonly passesOn?: boolean
  /** Handles one exchange. */
  readonly take: (taken: Taken) => void
}

/** Installs the interceptor in a group until the scope closes. */
export type Install = (group: Group, installation: Installation) => Installing<void>

export const make = (
  gateway: NodeHttpGateway,
  interceptors: Interceptors,
  apis: ApiRequests,
  forwarding: Forwarding,
  maxBytes: number
): Install =>
  Effect.fnUntraced(function* (group, { kind, matcher, name, options, passesOn, take }) {
    const matching = yield* Matching.make(matcher)
    const reading = new Set<GatewayResponse>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const response of reading) response.destroy()
      })
    )
    const fork = Runtime.runFork(yield* RunFork.runtime<never>())
    const installed: Installed = {
      kind,
      matcher,
      matching,
      session: group.session,
      name,
      times: options.times,
      optional: options.optional ?? false,
      order: interceptors.nextOrder(group),
      calls: 0,
      removed: false
    }

    const isOfKind = ({ upgrade }: Exchange) => {
      if (kind === "WebSocket mock" || kind === "WebSocket spy") {
        return upgrade !== undefined && hasWebSocket(upgrade.protocols)
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
    const claim = (
      exchange: Exchange,
      matched: Matching.Matched,
      body: MatchedBody.MatchedBody | undefined,
      passOn: PassOn
    ) => {
      if (!takesMore(installed)) return passOn(exchange)
      installed.calls++
      const { response } = exchange
      if (response.isTapped && answers(kind)) response.tellAnswerer({ kind, name })
      if (passesOn !== true && answers(kind)) interceptors.setIntercepted(exchange.request, true)
      const decline = () => {
        installed.calls--
        interceptors.setIntercepted(exchange.request, false)
      }
      take({ exchange, matched, body, installed, passOn, decline })
    }

    /** It would take the request if that belonged to its session. */
    const noteStray: typeof claim = (exchange, _matched, _body, passOn) => {
      interceptors.noteStray(group, installed, exchange)
      passOn(exchange)
    }

    const ifOfBody = (
      exchange: Exchange,
      passOn: PassOn,
      then: (exchange: Exchange, body: MatchedBody.MatchedBody) => void
    ) => {
      const { body: wanted } = matching
      if (wanted === undefined) return
      const onRefused = (status: number, message: string) =>
        JsonResponse.sendErrorEarly(exchange.request, exchange.response, status, message, reading)
      ReplayedRequest.read(exchange, { bodies: gateway.bodies, maxBytes, onRefused }, (replayed) => {
        const replayedExchange = { ...exchange, request: replayed }
        if (!replayed.isWhole) return passOn(replayedExchange)
        const decide = (body: MatchedBody.MatchedBody) => {
          interceptors.keepBody(replayed, body)
          if (MatchedBody.differences(body, wanted).length === 0) then(replayedExchange, body)
          else passOn(replayedExchange)
        }
        const body = interceptors.bodyOf(replayed) ?? readable(replayed, exchange.response)
        if (body instanceof NoRoom) onRefused(body.status, body.message)
        else if (body instanceof Promise) body.then(decide)
        else decide(body)
      })
    }

    const readable = (
      { beginning, headers }: ReplayedRequest.ReplayedRequest & IncomingMessage,
      response: GatewayResponse
    ) => {
      try {
        return MatchedBody.read(headers, beginning, (bytes) => {
          response.once("close", gateway.memory.admit(bytes))
        })
      } catch (error) {
        if (error instanceof NoRoom) return error
        throw error
      }
    }

    const onExchange = (exchange: Exchange, passOn: PassOn): void => {
      const { request } = exchange
      const isForwarded = forwarding.isBeneath(request, installed)
      if (isForwarded || !takesMore(installed) || !isOfKind(exchange)) return passOn(exchange)
      const preflightOf = options.cors === true ? Preflight.methodOf(request) : undefined
      const matched = matching.match(request, preflightOf)
      if (matched !== undefined) onMatched(exchange, passOn, matched, preflightOf)
      else if (matcher.api === undefined || matcher.path === undefined) passOn(exchange)
      else ifBelowPrefix(matcher.api, exchange, passOn, preflightOf)
    }

    /** A matcher with an api may have the path that the service gets, without the prefix that the gateway takes off. */
    const ifBelowPrefix = (api: string, exchange: Exchange, passOn: PassOn, preflightOf: string | undefined) => {
      const { request } = exchange
      fork(apis.strippedPrefix(api, pathOf(request.url as string))).addObserver((exit) => {
        const prefix = Exit.isSuccess(exit) ? exit.value : undefined
        const matched = prefix === undefined ? undefined : Matching.matchBelow(matching, request, prefix, preflightOf)
        if (matched === undefined) passOn(exchange)
        else onMatched(exchange, passOn, matched, preflightOf)
      })
    }

    const onMatched = (
      exchange: Exchange,
      passOn: PassOn,
      matched: Matching.Matched,
      preflightOf: string | undefined
    ): void => {
      const { request, response } = exchange
      // A preflight carries no headers of the page.
      const isStray = preflightOf === undefined && installed.session?.owns(request.headers) === false
      if (isStray && !interceptors.isStray(request)) return passOn(exchange)
      const take = isStray ? noteStray : claim
      ifOfApi(exchange, passOn, () => {
        if (preflightOf !== undefined) return Preflight.answer(request, response, preflightOf)
        if (matching.body === undefined) return take(exchange, matched, undefined, passOn)
        // What follows an upgrade's headers is no body.
        if (exchange.upgrade !== undefined) return passOn(exchange)
        ifOfBody(exchange, passOn, (replayed, body) => take(replayed, matched, body, passOn))
      })
    }

    yield* interceptors.install(group, installed)
    yield* gateway.intercept(onExchange, {
      order: installed.order,
      describe: () => ({ kind, name, calls: installed.calls, times: installed.times })
    })
    if (matcher.api !== undefined) yield* apis.register(matcher.api)
  })

const answers = (kind: Kind): boolean => kind !== "spy" && kind !== "WebSocket spy"
