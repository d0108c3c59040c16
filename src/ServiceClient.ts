/**
 * Typed requests, messages and streams to a service by its name, wherever its instances are.
 *
 * @since 0.2.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Discovery } from "./Discovery.js"
import { check } from "./internal/OptionNames.js"
import type { Service, ServiceClientOptions } from "./Services.js"
import { clientOptionNames, servicesOf } from "./Services.js"

export type { Service, ServiceClientOptions } from "./Services.js"

/**
 * Identifies the client of one api.
 *
 * @since 0.2.0
 * @category models
 */
export interface Of<Api extends string> {
  readonly _: "effect-ipc/ServiceClient"
  readonly api: Api
}

/**
 * The client of one api as a tag, with its Layer.
 *
 * @since 0.2.0
 * @category models
 */
export interface TagClass<Api extends string> extends Context.Tag<Of<Api>, Service> {
  new (_: never): Context.TagClassShape<`effect-ipc/ServiceClient/${Api}`, Service>
  readonly api: Api
  /** Connects to each instance when it is first chosen, until the scope closes. It doesn't wait for one. */
  readonly layer: Layer.Layer<Of<Api>, never, Discovery>
  /** As `layer`, with options. */
  readonly layerWith: (options: ServiceClientOptions) => Layer.Layer<Of<Api>, never, Discovery>
}

/**
 * A client of the api until the scope closes. It doesn't wait for an instance.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (
  api: string,
  options: ServiceClientOptions = {}
): Effect.Effect<Service, never, Discovery | Scope.Scope> =>
  Effect.flatMap(Discovery, (discovery) => {
    check(`ServiceClient of ${api}`, options, clientOptionNames)
    return servicesOf(discovery).connect(api, options)
  })

/**
 * The client of an api as a service of its own.
 *
 * @example
 * ```ts
 * import { IPCServer, ServiceClient } from "effect-ipc"
 * import { LocalDiscovery } from "effect-ipc/node"
 * import { Effect } from "effect"
 *
 * const GetUser = IPCServer.defineRequest<{ readonly id: number }, { readonly name: string }>("users/get")
 *
 * class Users extends ServiceClient.Tag("users") {}
 *
 * const program = Effect.gen(function* () {
 *   const users = yield* Users
 *   const { name } = yield* users.request(GetUser, { id: 1 }, { idempotent: true })
 *   yield* Effect.log(name)
 * })
 *
 * export const main = program.pipe(Effect.provide(Users.layer), Effect.provide(LocalDiscovery.layer({ port: 9000 })))
 * ```
 *
 * @since 0.2.0
 * @category tags
 */
export const Tag = <const Api extends string>(api: Api): TagClass<Api> => {
  const tag = Context.Tag(`effect-ipc/ServiceClient/${api}`)<Of<Api>, Service>()
  const layerWith = (options: ServiceClientOptions) => Layer.scoped(tag, make(api, options))
  return Object.assign(tag, { api, layer: layerWith({}), layerWith }) as unknown as TagClass<Api>
}
