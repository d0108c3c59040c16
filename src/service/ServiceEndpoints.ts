/**
 * How services are reached: what the engine of services needs of whatever carries their connections.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connect } from "../connection/ReconnectingConnection.js"
import type { ListenError } from "../IPCError.js"
import type { IPCPeer } from "../IPCPeer.js"
import type { ServiceServerOptions } from "../Services.js"

export interface ServiceEndpoints {
  /** Where its participants meet, for messages: `at this port`. */
  readonly where: string
  /** Listens at a new address until the scope closes. `prepare` runs before a client is accepted. */
  readonly listen: <E, R>(
    prepare: (peer: IPCPeer) => Effect.Effect<unknown, E, R>,
    options: ListenOptions
  ) => Effect.Effect<Listening, ListenError | E, R | Scope.Scope>
  /** Opens one connection to an address, as the client of this name. */
  readonly connect: (address: string, runtimeId: string) => Connect
}

export interface ListenOptions extends Pick<ServiceServerOptions, "requestTimeout"> {
  /** Which service it is. */
  readonly api: string
}

export interface Listening {
  readonly peer: IPCPeer
  readonly address: string
  /** Takes no further client, and closes every connection, at once. */
  readonly release: Effect.Effect<void>
  /** Completes when no client is connected. */
  readonly withoutClients: Effect.Effect<void>
}
