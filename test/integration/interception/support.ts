/**
 * A gateway with discovery and interception, and real services behind it, each gone with the test's scope.
 */
import type * as http from "node:http"
import type { Duplex } from "node:stream"
import { it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import * as NodeHttpInterception from "../../../layers/NodeHttpInterception.js"
import { Discovery } from "../../../src/Discovery.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import { IPCServer } from "../../../src/IPCServer.js"
import { serve } from "../http/support.js"

export interface Suite {
  readonly url: string
  readonly port: number
  readonly http: HttpInterception.Service
  readonly discovery: Discovery.Service
}

export const suite = (options: NodeHttpInterception.HttpInterceptionOptions = {}) =>
  Effect.gen(function* () {
    const layer = Layer.provideMerge(NodeHttpInterception.layer(options), LocalDiscovery.layerStandalone({ port: 0 }))
    const context = yield* Layer.build(layer)
    const { port, url } = Context.get(context, IPCServer)
    const result: Suite = {
      url,
      port,
      http: Context.get(context, HttpInterception),
      discovery: Context.get(context, Discovery)
    }
    return result
  })

/** A real service, registered. */
export const service = (
  { discovery }: Suite,
  api: string,
  onRequest: http.RequestListener,
  onUpgrade?: (request: http.IncomingMessage, socket: Duplex, head: Buffer) => void
) =>
  Effect.gen(function* () {
    const served = yield* serve({ onRequest, ...(onUpgrade === undefined ? {} : { onUpgrade }) })
    yield* discovery.register([{ api, baseUrl: served.url, pathPrefix: `/${api}` }])
    return served
  })

/** A service that says who it is. */
export const says =
  (word: string): http.RequestListener =>
  (request, response) => {
    request.resume()
    response.end(word)
  }

export const live = <E>(name: string, test: () => Effect.Effect<unknown, E, Scope.Scope>, millis?: number) =>
  it.scopedLive(name, () => Effect.asVoid(test()).pipe(Logger.withMinimumLogLevel(LogLevel.None)), millis ?? 20_000)

export const text = (url: string, init?: RequestInit): Effect.Effect<string, unknown> =>
  Effect.tryPromise((signal) => fetch(url, { ...init, signal }).then((response) => response.text()))

export const statusOf = (url: string, init?: RequestInit): Effect.Effect<number, unknown> =>
  Effect.tryPromise(async (signal) => {
    const response = await fetch(url, { ...init, signal })
    await response.arrayBuffer()
    return response.status
  })

export const json = (url: string, init?: RequestInit): Effect.Effect<unknown, unknown> =>
  Effect.tryPromise((signal) => fetch(url, { ...init, signal }).then((response) => response.json()))
