/**
 * Endpoints of services at free ports of this machine, which the participants of one port reach by its token.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as ServiceEndpoints from "../src/service/ServiceEndpoints.js"
import * as Address from "./ipc/Address.js"
import * as NodeIPCClient from "./NodeIPCClient.js"
import type { NodeIPCServerOptions } from "./NodeIPCServer.js"
import * as NodeIPCServer from "./NodeIPCServer.js"

/** The options that an endpoint has of the participant whose it is. */
export type LoopbackEndpointsOptions = Pick<
  NodeIPCServerOptions,
  "host" | "token" | "serialization" | "heartbeat" | "highWaterMark" | "maxFrameBytes" | "maxHandlersInFlight"
>

export const make = (options: LoopbackEndpointsOptions): ServiceEndpoints.ServiceEndpoints => {
  const { host = Address.defaultHost, maxFrameBytes, serialization, token } = options
  const loopback = Address.isLoopback(host) ? host : Address.defaultHost
  return {
    where: "at this port",
    listen: (prepare, { requestTimeout }) =>
      Effect.map(
        NodeIPCServer.makePrepared({ ...options, host: loopback, requestTimeout, port: 0 }, prepare),
        ({ release, server, withoutClients }) => ({ peer: server, address: server.url, release, withoutClients })
      ),
    connect: (address, runtimeId) => (onOpen) =>
      Effect.flatMap(
        NodeIPCClient.connection({ url: address, runtimeId, token, maxFrameBytes, serialization }),
        ({ connect }) => connect(onOpen)
      )
  }
}
