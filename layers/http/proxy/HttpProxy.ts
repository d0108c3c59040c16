/**
 * Chooses the upstream for each request and upgrade by a resolver, and has it forwarded.
 *
 * @internal
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { RouteProxyResolver, Upstream } from "../../../src/HttpGateway.js"
import { messageOf } from "../../../src/internal/ErrorMessage.js"
import { printable } from "../../../src/internal/Printable.js"
import { UpstreamProxy } from "../../UpstreamProxy.js"
import * as JsonResponse from "../JsonResponse.js"
import { originForm } from "../RequestTarget.js"
import * as BaseUrl from "./BaseUrl.js"
import type { Upgrade } from "./Forwarder.js"

/**
 * The proxy of a gateway.
 *
 * @internal
 */
export interface HttpProxy {
  /** Forwards the request, or answers why it can't; false when no upstream is meant for it, and nothing was done. */
  readonly relay: (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade) => boolean
  /** Whether a resolver is set. */
  readonly hasResolver: () => boolean
  /** The newest resolver is asked; when its scope closes, the one beneath it is back. */
  readonly setResolver: (resolver: RouteProxyResolver) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * A proxy without a resolver.
 *
 * @internal
 */
export const make: Effect.Effect<HttpProxy, never, Scope.Scope> = Effect.gen(function* () {
  const fork = Runtime.runFork(yield* Effect.runtime<never>())
  const forwarder = yield* yield* UpstreamProxy
  const lingering = new Set<ServerResponse>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const response of lingering) response.destroy()
    })
  )
  const resolvers: Array<{ readonly resolve: RouteProxyResolver }> = []
  let newest: RouteProxyResolver | undefined

  const relay = (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): boolean => {
    const target = originForm(request.url as string)
    if (newest === undefined || target === undefined) return false
    let resolved: string | Upstream | undefined
    try {
      resolved = newest(target)
    } catch (defect) {
      fork(Effect.logError(`The proxy resolver threw for ${printable(target)}`, defect))
      const message = `The proxy resolver failed: ${messageOf(defect)}`
      JsonResponse.sendErrorEarly(request, response, 500, message, lingering)
      return true
    }
    if (resolved === undefined) return false
    const upstream = BaseUrl.fromResolved(resolved)
    if (upstream === undefined) {
      const message = `The proxy resolver gave ${messageOf(resolved)} for ${target}. It returns a URL like http://127.0.0.1:3000, an upstream, or undefined.`
      JsonResponse.sendErrorEarly(request, response, 502, message, lingering)
      return true
    }
    forwarder.forward({ request, response, upgrade, target, upstream })
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

  return { relay, setResolver, hasResolver: () => newest !== undefined }
})
