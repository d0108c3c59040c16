/**
 * Sends requests and upgrades to the upstreams that a resolver chooses.
 *
 * @since 0.1.0
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { RouteProxyResolver, Upstream } from "../../../src/HttpGateway.js"
import * as JsonResponse from "../JsonResponse.js"
import { originForm } from "../RequestTarget.js"
import * as BaseUrl from "./BaseUrl.js"
import { type ProxyContext, ProxyExchange, type Upgrade } from "./ProxyExchange.js"
import * as UpstreamPool from "./UpstreamPool.js"

/**
 * The proxy of a gateway.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpProxy {
  /** Relays the request, or answers why it can't; false when no upstream is meant for it, and nothing was done. */
  readonly relay: (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade) => boolean
  /** Whether a resolver is set. */
  readonly hasResolver: () => boolean
  /** The newest resolver is asked; when its scope closes, the one beneath it is back. */
  readonly setResolver: (resolver: RouteProxyResolver) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * A proxy without a resolver. Its scope aborts every exchange and closes every connection to an upstream.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options: {
  /** How long an upstream may take to answer with its headers, in milliseconds; 5 minutes unless told otherwise. */
  readonly headersTimeout?: number
}) {
  const fork = Runtime.runFork(yield* Effect.runtime<never>())
  const pool = UpstreamPool.make({ headersTimeout: options.headersTimeout ?? HEADERS_TIMEOUT })
  const exchanges = new Set<ProxyExchange>()
  const lingering = new Set<ServerResponse>()
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => {
      for (const exchange of exchanges) exchange.abort()
      for (const response of lingering) response.destroy()
      return pool.close()
    })
  )
  const onDefect = (what: string, defect: unknown) => {
    fork(Effect.logError(what, defect))
  }
  const context: ProxyContext = { pool, exchanges, lingering, onDefect }
  const resolvers: Array<{ readonly resolve: RouteProxyResolver }> = []
  let newest: RouteProxyResolver | undefined

  const relay = (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): boolean => {
    const target = originForm(request.url as string)
    if (newest === undefined || target === undefined) return false
    let resolved: string | Upstream | undefined
    try {
      resolved = newest(target)
    } catch (defect) {
      onDefect(`The proxy resolver threw for ${target}`, defect)
      const message = `The proxy resolver failed: ${JsonResponse.messageOf(defect)}`
      JsonResponse.sendErrorEarly(request, response, 500, message, lingering)
      return true
    }
    if (resolved === undefined) return false
    const upstream = BaseUrl.fromResolved(resolved)
    if (upstream === undefined) {
      const message = `The proxy resolver gave ${JsonResponse.messageOf(resolved)} for ${target}. It returns a URL like http://127.0.0.1:3000, an upstream, or undefined.`
      JsonResponse.sendErrorEarly(request, response, 502, message, lingering)
      return true
    }
    new ProxyExchange(context, request, response, target, upstream, upgrade).dispatch()
    return true
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

  const proxy: HttpProxy = { relay, setResolver, hasResolver: () => newest !== undefined }
  return proxy
})

const HEADERS_TIMEOUT = 300_000
