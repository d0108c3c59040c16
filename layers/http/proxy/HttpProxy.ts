/**
 * Chooses the upstream for each request and upgrade by a resolver, and has it forwarded.
 *
 * @internal
 */

import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { AnySpan } from "effect/Tracer"
import type { Selection } from "../../../src/discovery/RouteTable.js"
import type { RouteProxyResolver, Upstream } from "../../../src/HttpGateway.js"
import { logDefect } from "../../../src/internal/DefectLog.js"
import { messageOf } from "../../../src/internal/ErrorMessage.js"
import { printable } from "../../../src/internal/Printable.js"
import * as RunFork from "../../../src/internal/RunFork.js"
import * as Userinfo from "../../../src/internal/Userinfo.js"
import * as Tracing from "../../../src/telemetry/Tracing.js"
import { UpstreamProxy } from "../../UpstreamProxy.js"
import type { GatewayResponse } from "../GatewayResponse.js"
import * as JsonResponse from "../JsonResponse.js"
import { AttemptCall } from "./AttemptCall.js"
import * as BaseUrl from "./BaseUrl.js"
import * as ForwardedHeaders from "./ForwardedHeaders.js"
import type { ForwardedExchange, Upgrade, UpstreamAttempt } from "./Forwarder.js"
import * as GatewayMark from "./GatewayMark.js"
import * as PathPrefix from "./PathPrefix.js"

/**
 * The proxy of a gateway.
 *
 * @internal
 */
export interface HttpProxy {
  /** Forwards the request, or answers why it can't; false when no upstream is meant for it, and nothing was done. */
  readonly relay: (request: IncomingMessage, response: GatewayResponse, upgrade?: Upgrade) => boolean
  /** Whether a resolver is set. */
  readonly hasResolver: () => boolean
  /** The newest resolver is asked; when its scope closes, the one before it is asked again. */
  readonly setResolver: (resolver: RouteProxyResolver) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * A proxy without a resolver.
 *
 * @internal
 */
export const make: Effect.Effect<HttpProxy, never, Scope.Scope> = Effect.gen(function* () {
  const fork = Runtime.runFork(yield* RunFork.runtime<never>())
  const tracing = yield* Tracing.current
  const forwarder = yield* yield* UpstreamProxy
  const mark = GatewayMark.make()
  const lingering = new Set<GatewayResponse>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const response of lingering) response.destroy()
    })
  )
  const resolvers: Array<{ readonly resolve: RouteProxyResolver }> = []
  let newest: RouteProxyResolver | undefined

  const relay = (request: IncomingMessage, response: GatewayResponse, upgrade?: Upgrade): boolean => {
    const target = request.url as string
    if (newest === undefined || target === "*") return false
    const refuse = (status: number, message: string): true => {
      JsonResponse.sendErrorEarly(request, response, status, message, lingering)
      return true
    }
    let resolved: ReturnType<RouteProxyResolver>
    try {
      resolved = newest(target)
    } catch (defect) {
      fork(logDefect(`The proxy resolver threw for ${printable(target)}`, defect))
      return refuse(500, `The proxy resolver failed: ${messageOf(defect)}`)
    }
    if (resolved === undefined || resolved === null || resolved === "") return false
    const upstream = BaseUrl.fromResolved(resolved)
    if (upstream === undefined) {
      return refuse(
        502,
        `The proxy resolver gave ${messageOf(resolved)} for ${target}. It returns a URL like http://127.0.0.1:3000, an upstream, or undefined.`
      )
    }
    const loop = GatewayMark.loopOf(request, mark)
    if (loop !== undefined) {
      release(upstream)
      return refuse(
        508,
        `The request for ${target} ${loop}: does its upstream, ${Userinfo.hidden(upstream.baseUrl)}, lead back to the gateway?`
      )
    }
    const headers = ForwardedHeaders.ofRequest(request, mark)
    const told = response.isTapped ? new ToldUpstream(response, upstream) : upstream
    response.call?.match(upstream.route)
    const span = tracing.isOn ? response.call?.begin() : undefined
    const relayed = { tracing, span, lingering }
    forwarder.forward(new RelayedExchange(request, response, upgrade, target, headers, told, relayed))
    return true
  }

  const release = (upstream: Upstream) => {
    try {
      upstream.release?.()
    } catch (defect) {
      fork(logDefect("An upstream's release() threw", defect))
    }
  }

  const setResolver = (resolve: RouteProxyResolver) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const entry = { resolve }
        resolvers.push(entry)
        newest = resolve
        return entry
      }),
      (entry) =>
        Effect.sync(() => {
          resolvers.splice(resolvers.indexOf(entry), 1)
          newest = resolvers.at(-1)?.resolve
        })
    ).pipe(Effect.asVoid)

  return { relay, setResolver, hasResolver: () => newest !== undefined }
})

interface Relayed {
  readonly tracing: Tracing.Tracing
  /** The request's own span, where spans are made. */
  readonly span: AnySpan | undefined
  readonly lingering: Set<GatewayResponse>
}

/** The upstream, and each that is tried after it, told to those who watch the response. */
class ToldUpstream implements Upstream {
  readonly baseUrl: string
  readonly route: string | undefined
  readonly stripPrefix: string | undefined

  constructor(
    private readonly response: GatewayResponse,
    private readonly upstream: Upstream
  ) {
    this.baseUrl = upstream.baseUrl
    this.route = upstream.route
    this.stripPrefix = upstream.stripPrefix
    const { instance } = upstream as Partial<Selection>
    const { baseUrl, stripPrefix } = upstream
    response.tellAnswerer({ kind: "upstream", name: Userinfo.hidden(baseUrl), api: instance?.api, stripPrefix })
  }

  next(): Upstream | undefined {
    const next = BaseUrl.fromResolved(this.upstream.next?.())
    return next === undefined ? undefined : new ToldUpstream(this.response, next)
  }

  release(): void {
    this.upstream.release?.()
  }
}

/** A class, since one is made for each request. */
class RelayedExchange implements ForwardedExchange {
  private attempts = 0

  constructor(
    readonly request: IncomingMessage,
    readonly response: GatewayResponse,
    readonly upgrade: Upgrade | undefined,
    readonly target: string,
    readonly headers: ReadonlyArray<string>,
    readonly upstream: Upstream,
    private readonly relayed: Relayed
  ) {}

  attempt(upstream: Upstream): UpstreamAttempt {
    const { span, tracing } = this.relayed
    const sent = upstream.stripPrefix === undefined ? this : PathPrefix.without(this, upstream.stripPrefix)
    return new AttemptCall(tracing, span, sent, upstream, this.attempts++)
  }

  refuse(status: number, message: string): void {
    JsonResponse.sendErrorEarly(this.request, this.response, status, message, this.relayed.lingering)
  }
}
