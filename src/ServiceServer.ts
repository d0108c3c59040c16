/**
 * A service that answers typed requests, messages and streams by its name.
 *
 * @since 0.2.0
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Discovery } from "./Discovery.js"
import type { IPCPeer } from "./IPCPeer.js"
import { check } from "./internal/OptionNames.js"
import type { ServiceServerError, ServiceServerOptions } from "./Services.js"
import { serverOptionNames, servicesOf } from "./Services.js"

export type { ServiceServerError, ServiceServerOptions } from "./Services.js"

/**
 * Answers until the scope closes: sets up the handlers, then listens at an endpoint of its own, then registers it under
 * the name, with this leader and every later one. Done once it is registered.
 *
 * When the scope closes, the endpoint is withdrawn and its clients are told, so that new requests go to other instances.
 * What is in flight may end within `drainTimeout`; then the connections close, and the handlers go last.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = <E = never, R = never>(
  api: string,
  setup: (server: IPCPeer) => Effect.Effect<unknown, E, R>,
  options: ServiceServerOptions = {}
): Effect.Effect<void, E | ServiceServerError, R | Discovery | Scope.Scope> =>
  Effect.flatMap(Discovery, (discovery) => {
    check(`ServiceServer of ${api}`, options, serverOptionNames)
    return servicesOf(discovery).serve(api, setup, options)
  })

/**
 * As {@link make}. A process may have any number of them, also of one name.
 *
 * @example
 * ```ts
 * import { IPCServer, ServiceServer } from "effect-ipc"
 * import { LocalDiscovery } from "effect-ipc/node"
 * import { Effect, Layer } from "effect"
 *
 * const GetUser = IPCServer.defineRequest<{ readonly id: number }, { readonly name: string }>("users/get")
 *
 * const Users = ServiceServer.layer("users", (server) =>
 *   server.handle(GetUser, ({ id }) => Effect.succeed({ name: `user ${id}` }))
 * )
 *
 * export const main = Layer.launch(Users.pipe(Layer.provide(LocalDiscovery.layer({ port: 9000 }))))
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  api: string,
  setup: (server: IPCPeer) => Effect.Effect<unknown, E, R>,
  options?: ServiceServerOptions
): Layer.Layer<never, E | ServiceServerError, Discovery | Exclude<R, Scope.Scope>> =>
  Layer.scopedDiscard(make(api, setup, options)) as Layer.Layer<
    never,
    E | ServiceServerError,
    Discovery | Exclude<R, Scope.Scope>
  >
