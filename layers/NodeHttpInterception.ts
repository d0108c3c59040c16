/**
 * HttpInterception on the gateway of this process.
 *
 * @since 0.1.0
 */
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { Discovery } from "../src/Discovery.js"
import type { Route } from "../src/DiscoveryEntry.js"
import { HttpGateway } from "../src/HttpGateway.js"
import type {
  Interceptor,
  InterceptorOptions,
  Placing,
  RecordedCall,
  RecordedWebSocket,
  RecordedWebSocketMessage,
  RequestMatcher,
  UnmatchedRequest,
  WebSocketHandler,
  WebSocketInterceptor
} from "../src/HttpInterception.js"
import { HttpInterception } from "../src/HttpInterception.js"
import { UnverifiedInterception } from "../src/IPCError.js"
import { IPCServer } from "../src/IPCServer.js"
import { type Exchange, fromService } from "./http/NodeHttpGateway.js"
import { pathOf } from "./http/RequestTarget.js"
import * as Faults from "./interception/Faults.js"
import * as Matching from "./interception/Matching.js"
import * as Preflight from "./interception/Preflight.js"
import * as RecordedExchange from "./interception/RecordedExchange.js"
import { Recording } from "./interception/Recording.js"
import * as ReplayedRequest from "./interception/ReplayedRequest.js"
import * as WebSockets from "./interception/WebSockets.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface HttpInterceptionOptions {
  /** What is recorded of each body, in bytes; a matcher looks at no larger one. Default 1 MiB. */
  readonly maxRecordedBytes?: number | undefined
  /** For every mock that doesn't say itself. Default false. */
  readonly cors?: boolean | undefined
}

/**
 * Intercepts on the gateway until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  options?: HttpInterceptionOptions
) => Effect.Effect<HttpInterception.Service, never, Scope.Scope | IPCServer | HttpGateway | Discovery> =
  Effect.fnUntraced(function* (options: HttpInterceptionOptions = {}) {
    const gateway = yield* Effect.flatMap(HttpGateway, fromService)
    const server = yield* IPCServer
    const discovery = yield* Discovery
    // The gateway's, whatever the clock of the test: what it intercepts comes over sockets.
    const clock = yield* Effect.clock
    const maxBytes = options.maxRecordedBytes ?? 1024 * 1024
    /** Newest first, of all groups. */
    let live: ReadonlyArray<Placed> = []
    const groups = new Set<Group>()

    const nearest = (request: IncomingMessage): string | undefined => {
      let best: { readonly score: number; readonly text: string } | undefined
      const path = pathOf(request.url as string)
      for (const { calls, kind, matcher, matching, name, times } of live) {
        // A spy answers nothing, however near it comes.
        if (kind === "spy" || kind === "spyWebSocket") continue
        if (matcher.path === undefined && !isBelow(`/${matcher.api ?? ""}`, path)) continue
        const { agreed, what } = matching.difference(request)
        if (agreed === Matching.ALL_AGREED && calls < (times ?? Number.POSITIVE_INFINITY)) continue
        const resemblance = Matching.resemblance(matcher.path, request.url as string)
        const score = agreed * 1_000 + resemblance
        if (score === 0 || (best !== undefined && best.score >= score)) continue
        best = { score, text: `${kind} ${name}, but ${what}` }
      }
      return best?.text
    }

    yield* gateway.onUnmatched((request) => {
      const near = nearest(request)
      const unmatched: UnmatchedRequest = {
        method: request.method as string,
        path: pathOf(request.url as string),
        nearest: near
      }
      for (const group of groups) {
        group.unmatched.push(unmatched)
        if (group.unmatched.length > MAX_UNMATCHED) group.unmatched.shift()
      }
      if (near !== undefined) return `The interceptor that came nearest: ${near}.`
      return live.length === 0 ? undefined : "No interceptor is like it."
    })

    const makeGroup = (keepsGone: boolean) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const group: Group = { keepsGone, placed: new Set(), unmatched: [] }
          groups.add(group)
          return group
        }),
        (group) => Effect.sync(() => groups.delete(group))
      )

    /** Whether a request is for the api: by the longest prefix that takes it, as the gateway would route it. */
    const isFor = (api: string, path: string) =>
      Effect.map(discovery.routes, (all) => {
        const routes = all.filter((route) => route.pathPrefix !== RESERVED)
        const longest = routes.filter((route) => isBelow(route.pathPrefix, path)).reduce(longer, undefined)
        if (longest !== undefined)
          return routes.some((route) => route.api === api && route.pathPrefix === longest.pathPrefix)
        return !routes.some((route) => route.api === api) && isBelow(`/${api}`, path)
      })

    /**
     * An interceptor in its place until the scope closes: it finds out which exchanges are its own, and has `take` do
     * with them what it is for.
     */
    const place = Effect.fnUntraced(function* (
      group: Group,
      kind: Kind,
      name: string,
      matcher: RequestMatcher,
      placing: InterceptorOptions & { readonly cors?: boolean | undefined },
      take: Take
    ) {
      const matching = yield* Matching.make(matcher)
      const fork = Runtime.runFork(yield* Effect.runtime<never>())
      const placed: Placed = {
        kind,
        matcher,
        matching,
        name,
        times: placing.times,
        optional: placing.optional ?? false,
        calls: 0,
        gone: false
      }
      const takesMore = () => !placed.gone && placed.calls < (placing.times ?? Number.POSITIVE_INFINITY)
      const isOurKind = ({ request, upgrade }: Exchange) => {
        if (kind === "webSocket" || kind === "spyWebSocket") {
          return upgrade !== undefined && request.headers.upgrade?.toLowerCase() === "websocket"
        }
        return kind !== "spy" || upgrade === undefined
      }

      const ifOurApi = (exchange: Exchange, passOn: PassOn, then: () => void) => {
        if (matcher.api === undefined || matcher.path !== undefined) return then()
        const { request } = exchange
        fork(isFor(matcher.api, pathOf(request.url as string))).addObserver((exit) => {
          if (Exit.isSuccess(exit) && exit.value) then()
          else passOn(exchange)
        })
      }

      const claim = (exchange: Exchange, matched: Matching.Matched, passOn: PassOn) => {
        if (!takesMore()) return passOn(exchange)
        placed.calls++
        take(exchange, matched, passOn)
      }

      const onExchange = (exchange: Exchange, passOn: PassOn): void => {
        if (!takesMore() || !isOurKind(exchange)) return passOn(exchange)
        const { request, response } = exchange
        const preflightOf = placing.cors === true ? Preflight.methodOf(request) : undefined
        const matched = matching.match(request, preflightOf)
        if (matched === undefined) return passOn(exchange)
        ifOurApi(exchange, passOn, () => {
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

      yield* Effect.acquireRelease(
        Effect.sync(() => {
          live = [placed, ...live]
          group.placed.add(placed)
        }),
        () =>
          Effect.sync(() => {
            placed.gone = true
            live = live.filter((other) => other !== placed)
            if (!group.keepsGone) group.placed.delete(placed)
          })
      )
      yield* gateway.intercept(onExchange)
      if (matcher.api !== undefined) {
        yield* discovery.register([{ api: matcher.api, baseUrl: server.url, pathPrefix: RESERVED }])
      }
    })

    /** The calls of an interceptor, and how one is watched. */
    const recordCalls = Effect.fnUntraced(function* (what: string) {
      const calls = yield* recordingOf<RecordedCall>(`The ${what}`)
      const recorder = { maxBytes, now: () => clock.unsafeCurrentTimeMillis(), onEnd: calls.add }
      const watch = (exchange: Exchange, matched: Matching.Matched) =>
        RecordedExchange.watch(exchange, matched, recorder)
      return { calls, watch }
    })

    const recordWebSockets = Effect.fnUntraced(function* (kind: string, name: string) {
      const calls = yield* recordingOf<RecordedWebSocket>(`The ${kind} ${name}`)
      const messages = yield* recordingOf<RecordedWebSocketMessage>(`The ${kind} ${name}`)
      const recorder: WebSockets.WebSocketRecorder = {
        maxBytes,
        now: () => clock.unsafeCurrentTimeMillis(),
        onMessage: messages.add,
        onEnd: calls.add,
        open: new Set()
      }
      const interceptor: WebSocketInterceptor = {
        ...interceptorOf(name, calls),
        reset: Effect.zipRight(calls.reset, messages.reset),
        messages: messages.all,
        awaitMessage: messages.awaitNth,
        messageStream: messages.stream,
        drop: Effect.sync(() => {
          for (const drop of recorder.open) drop()
        })
      }
      return { recorder, interceptor }
    })

    const serviceOf = (group: Group): HttpInterception.Service => ({
      mock: (match, answer, mockOptions = {}) =>
        Effect.gen(function* () {
          const cors = mockOptions.cors ?? options.cors ?? false
          const name = mockOptions.name ?? Matching.textOf(match)
          const { calls, watch } = yield* recordCalls(`mock ${name}`)
          const handler = yield* gateway.handler(answer)
          yield* place(group, "mock", name, match, { ...mockOptions, cors }, (exchange, matched) => {
            const { request, response } = exchange
            watch(exchange, matched)
            if (cors) Preflight.allow(request, response)
            handler.handle(request, response, { value: handler, ...matched })
          })
          return interceptorOf(name, calls)
        }),
      spy: (match, spyOptions = {}) =>
        Effect.gen(function* () {
          const name = spyOptions.name ?? Matching.textOf(match)
          const { calls, watch } = yield* recordCalls(`spy ${name}`)
          yield* place(group, "spy", name, match, spyOptions, (exchange, matched, passOn) => {
            watch(exchange, matched)
            passOn(exchange)
          })
          return interceptorOf(name, calls)
        }),
      fault: (match, fault, faultOptions = {}) =>
        Effect.gen(function* () {
          const name = faultOptions.name ?? `${fault._tag} of ${Matching.textOf(match)}`
          const { calls, watch } = yield* recordCalls(`fault ${name}`)
          const breaker = yield* Effect.acquireRelease(
            Effect.sync(() => Faults.make(fault, name, clock)),
            ({ end }) => Effect.sync(end)
          )
          yield* place(group, "fault", name, match, faultOptions, (exchange, matched, passOn) => {
            const { fail, switched } = watch(exchange, matched)
            breaker.breakIt(tellingOfSwitch(exchange, switched), fail, passOn)
          })
          return interceptorOf(name, calls)
        }),
      webSocket: <E, R = never>(
        match: RequestMatcher,
        handler: WebSocketHandler<E, R>,
        webSocketOptions: InterceptorOptions = {}
      ): Placing<WebSocketInterceptor, R> =>
        Effect.gen(function* () {
          const name = webSocketOptions.name ?? Matching.textOf(match)
          const { interceptor, recorder } = yield* recordWebSockets("WebSocket mock", name)
          const runtime = yield* Effect.runtime<R>()
          const { answer } = yield* Effect.acquireRelease(
            Effect.sync(() => WebSockets.responder(handler, runtime, recorder)),
            ({ end }) => end
          )
          yield* place(group, "webSocket", name, match, webSocketOptions, answer)
          return interceptor
        }),
      spyWebSocket: (match, spyOptions = {}) =>
        Effect.gen(function* () {
          const name = spyOptions.name ?? Matching.textOf(match)
          const { interceptor, recorder } = yield* recordWebSockets("WebSocket spy", name)
          yield* place(group, "spyWebSocket", name, match, spyOptions, (exchange, matched, passOn) =>
            WebSockets.watch(exchange, matched, recorder, passOn)
          )
          return interceptor
        }),
      unmatched: Effect.sync(() => group.unmatched.slice()),
      verify: Effect.suspend(() => verify(group)),
      strict: Effect.flatMap(makeGroup(true), (strict) =>
        Effect.as(
          Effect.addFinalizer((exit) => (Exit.isSuccess(exit) ? Effect.orDie(verify(strict)) : Effect.void)),
          serviceOf(strict)
        )
      )
    })

    return serviceOf(yield* makeGroup(false))
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (
  options: HttpInterceptionOptions
): Layer.Layer<HttpInterception, never, IPCServer | HttpGateway | Discovery> =>
  Layer.scoped(HttpInterception, make(options))

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HttpInterception, never, IPCServer | HttpGateway | Discovery> = layerWith({})

type Kind = "mock" | "spy" | "fault" | "webSocket" | "spyWebSocket"

type PassOn = (exchange: Exchange) => void

type Take = (exchange: Exchange, matched: Matching.Matched, passOn: PassOn) => void

interface Placed {
  readonly kind: Kind
  readonly matcher: RequestMatcher
  readonly matching: Matching.Matching
  readonly name: string
  readonly times: number | undefined
  readonly optional: boolean
  calls: number
  gone: boolean
}

/** What is verified together. */
interface Group {
  readonly keepsGone: boolean
  readonly placed: Set<Placed>
  readonly unmatched: Array<UnmatchedRequest>
}

const verify = (group: Group): Effect.Effect<void, UnverifiedInterception> => {
  const uncalled = Array.from(group.placed).filter(({ calls, optional, times }) => !optional && calls < (times ?? 1))
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
}

const interceptorOf = <Call>(name: string, calls: Recording<Call>): Interceptor<Call> => ({
  name,
  calls: calls.all,
  awaitCall: calls.awaitNth,
  stream: calls.stream,
  reset: calls.reset
})

const recordingOf = <A>(what: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Recording<A>(what)),
    (recording) => Effect.sync(recording.end)
  )

const tellingOfSwitch = (exchange: Exchange, switched: () => void): Exchange => {
  const { upgrade } = exchange
  if (upgrade === undefined) return exchange
  const onSwitched: typeof upgrade.onSwitched = (...args) => {
    upgrade.onSwitched?.(...args)
    switched()
  }
  return { ...exchange, upgrade: { ...upgrade, onSwitched } }
}

const longer = (longest: Route | undefined, route: Route): Route =>
  longest === undefined || route.pathPrefix.length > longest.pathPrefix.length ? route : longest

const isBelow = (prefix: string, path: string): boolean =>
  prefix === "/" || path === prefix || path.startsWith(`${prefix}/`)

/**
 * Where a mocked api is registered: a prefix that no request has, as a request's target is Latin-1. So nothing is ever
 * routed to it, and the gateway never to itself.
 */
const RESERVED = "/→intercepted"

const MAX_UNMATCHED = 1_000
