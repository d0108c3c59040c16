/**
 * A service and its client on NATS, by default without heartbeats during a test.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Queue from "effect/Queue"
import * as NatsDiscovery from "../../layers/nats/NatsDiscovery.js"
import { IPCClient } from "../../src/IPCClient.js"
import type { IPCPeer } from "../../src/IPCPeer.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as ServiceClient from "../../src/ServiceClient.js"
import * as ServiceServer from "../../src/ServiceServer.js"

export const Echo = IPCServer.defineRequest<string, string>("users/echo")
export const Never = IPCServer.defineRequest<void, void>("users/never")
export const Note = IPCServer.defineRequest<string, void>("users/note")
export const Shout = IPCClient.defineRequest<string, string>("shout")
export const Told = IPCClient.defineRequest<string, void>("told")

class Users extends ServiceClient.Tag("users") {}

const participant = (servers: string, runtimeId: string, heartbeat: "200 millis" | "1 minute") =>
  NatsDiscovery.layer({ servers, runtimeId, lease: "1 second", heartbeat })

const heartbeat = "1 minute"

/** The service's side. */
export const serving = (
  servers: string,
  options: { readonly heartbeat?: "200 millis"; readonly notes?: Queue.Queue<string> }
) =>
  Effect.gen(function* () {
    let peer: IPCPeer | undefined
    yield* Layer.build(
      ServiceServer.layer("users", (server) => {
        peer = server
        return Effect.all([
          server.handle(Echo, Effect.succeed),
          server.handle(Never, () => Effect.never),
          server.handle(Note, (note) => options.notes?.offer(note) ?? Effect.void)
        ])
      }).pipe(Layer.provide(participant(servers, "server", options.heartbeat ?? heartbeat)))
    )
    return peer as IPCPeer
  })

export const calling = (servers: string, pause: "200 millis" | "1 minute" = heartbeat) =>
  Effect.map(Layer.build(Users.layer.pipe(Layer.provide(participant(servers, "caller", pause)))), Context.get(Users))
