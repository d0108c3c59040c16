/**
 * Sees a namespace's routes, and asks its services, without taking part.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { NatsFailed } from "../../src/IPCError.js"
import * as LeaseObserver from "../../src/lease/LeaseObserver.js"
import type { Services } from "../../src/Services.js"
import * as ServiceClient from "../../src/service/ServiceClient.js"
import * as ProcessMemory from "../ProcessMemory.js"
import * as Namespace from "./Namespace.js"
import * as NatsBucket from "./NatsBucket.js"
import * as NatsConnection from "./NatsConnection.js"
import * as NatsEndpoints from "./NatsEndpoints.js"
import type { NatsConnectionOptions } from "./NatsOptions.js"
import * as NatsServers from "./NatsServers.js"

export interface NatsObserver extends Pick<LeaseObserver.LeaseObserver, "known" | "routes" | "settled"> {
  readonly connect: Services["connect"]
}

/**
 * Observes until the scope closes. Fails with `NatsFailed` where no participant has joined the namespace yet.
 */
export const make: (
  options: NatsConnectionOptions & { readonly namespace: string; readonly runtimeId: string }
) => Effect.Effect<NatsObserver, NatsFailed, Scope.Scope> = Effect.fnUntraced(function* (options) {
  const { namespace, runtimeId } = options
  const servers = NatsServers.serversOf(options).join(", ")
  const name = yield* Namespace.bucketOf(namespace, servers)
  const connection = yield* NatsConnection.make(options, runtimeId)
  const bucket = yield* NatsBucket.open(connection, { servers, name, answerTimeout: 2000 })
  let isConnected = true
  yield* Effect.forkScoped(
    Effect.interruptible(
      Effect.promise(async () => {
        for await (const { type } of connection.status()) {
          if (type === "disconnect" || type === "reconnect") isConnected = type === "reconnect"
        }
      })
    )
  )
  const observer = yield* LeaseObserver.make(bucket, () => isConnected)
  const endpoints = yield* ProcessMemory.provide(NatsEndpoints.make(connection, { namespace, runtimeId }, {}))
  const context = { ...observer, endpoints, connection: {}, nameFor: () => Effect.succeed(runtimeId) }
  return {
    ...observer,
    connect: (api, connectOptions) => ProcessMemory.provide(ServiceClient.connect(context)(api, connectOptions))
  }
})
