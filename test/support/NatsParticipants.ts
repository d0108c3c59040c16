/**
 * Participants on NATS, which leave when a test says so.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as NatsDiscovery from "../../layers/nats/NatsDiscovery.js"
import { Discovery } from "../../src/Discovery.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import { LeaderElection } from "../../src/LeaderElection.js"

/** A participant, and how it leaves. */
export const join = Effect.fnUntraced(function* (options: NatsDiscovery.NatsDiscoveryOptions) {
  const scope = yield* InnerScope.make
  const services = yield* Scope.extend(NatsDiscovery.make({ lease: "1 second", ...options }), scope)
  return {
    discovery: Context.get(services, Discovery),
    election: Context.get(services, LeaderElection),
    leave: Scope.close(scope, Exit.void)
  }
})

/** Waits until the participant knows these owners' apis, `owner api` each. */
export const knows = (discovery: Discovery.Service, expected: ReadonlyArray<string>) =>
  Effect.map(discovery.routes, (routes) =>
    routes
      .map(({ api, owner }) => `${owner} ${api}`)
      .sort()
      .join()
  ).pipe(Effect.repeat({ until: (known) => known === expected.join(), schedule: Schedule.spaced("10 millis") }))
