import type { Server } from "node:http"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Discovery, LeaderElection } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"
import { listen } from "./listen.js"

/** All that the processes have in common is this port. */
export const AtTheKnownPort = Layer.unwrapEffect(
  Effect.map(Config.port("IPC_PORT"), (port) => LocalDiscovery.layer({ port }))
)

/** Registers the service for as long as this process lives. */
export const participate = (api: string, server: Server): void =>
  Effect.gen(function* () {
    const discovery = yield* Discovery
    const baseUrl = yield* Effect.promise(() => listen(server))
    yield* discovery.register([{ api, baseUrl, pathPrefix: `/${api}` }])
    yield* Console.log(`ready ${baseUrl}`)
    yield* tellRoles
  }).pipe(Effect.scoped, Effect.provide(AtTheKnownPort), NodeRuntime.runMain)

/** A line for the demo to read whenever this process becomes the leader, or stops leading. */
export const tellRoles = Effect.flatMap(LeaderElection, ({ roles }) =>
  Stream.runForEach(roles, (role) => Console.log(`role ${role}`))
)
