/**
 * Requests by name on a participant's discovery.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { IPCSocketOptions } from "../connection/IPCSocketOptions.js"
import type { Discovery } from "../Discovery.js"
import type { Member } from "../discovery/Member.js"
import { MemoryBudget } from "../MemoryBudget.js"
import type { Services } from "../Services.js"
import * as ServiceClient from "./ServiceClient.js"
import type { ServiceEndpoints } from "./ServiceEndpoints.js"
import * as ServiceServer from "./ServiceServer.js"

export interface MemberServicesOptions {
  /** How this participant's services are reached, and it reaches those of others. */
  readonly endpoints: ServiceEndpoints
  /** How the client's end of their connections behaves. */
  readonly connection: IPCSocketOptions
}

/** The discovery, with services. All of them have the memory budget of the fiber that runs this. */
export const provide = (
  { discovery, member }: { readonly discovery: Discovery.Service; readonly member: Member },
  { connection, endpoints }: MemberServicesOptions
): Effect.Effect<Discovery.Service> =>
  Effect.map(MemoryBudget, (budget) => {
    const { registerEndpoint, runtimeId } = member

    /** The client's names at the endpoints of each api, by their number: the first one's is the participant's own. */
    const names = new Map<string, Set<number>>()
    const nameFor = (api: string) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const taken = names.get(api) ?? new Set()
          names.set(api, taken)
          let number = 1
          while (taken.has(number)) number++
          taken.add(number)
          return number
        }),
        (number) => Effect.sync(() => names.get(api)?.delete(number))
      ).pipe(Effect.map((number) => (number === 1 ? runtimeId : `${runtimeId.slice(0, maxNameLength)}/${number}`)))

    const services: Services = {
      serve: (api, setup, options) =>
        ServiceServer.serve({ endpoints, registerEndpoint })(api, setup, options).pipe(
          Effect.provideService(MemoryBudget, budget)
        ),
      connect: (api, options) =>
        ServiceClient.connect({ ...member, endpoints, connection, nameFor })(api, options).pipe(
          Effect.provideService(MemoryBudget, budget)
        )
    }
    return { ...discovery, services }
  })

/** The longest part of a participant's name in a further client's name, in characters: a server takes 256 of it. */
const maxNameLength = 240
