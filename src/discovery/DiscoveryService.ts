/**
 * `Discovery` on top of whatever keeps the registry: validates entries, holds them for as long as a scope does, and
 * derives the rest.
 *
 * @internal
 */

import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { Discovery } from "../Discovery.js"
import type { DiscoveryEntry, Entry, InvalidEntry, Route } from "../DiscoveryEntry.js"
import { isEndpoint, validateEntry } from "../DiscoveryEntry.js"
import type { EntryUnsupported, RegistryLimitExceeded, RequestError } from "../IPCError.js"
import { ServiceNotRegistered } from "../IPCError.js"
import type { RequestOptions } from "../IPCRequest.js"
import { durationIssue, oneOfIssue } from "../internal/ArgumentIssue.js"
import { check } from "../internal/OptionNames.js"
import type { LocalRegistrations } from "./LocalRegistrations.js"
import type { RouteTable } from "./RouteTable.js"

/**
 * What a registry has to offer.
 */
export interface Primitives extends Pick<Discovery.Service, "discover" | "changes" | "setStrategy" | "locate"> {
  /** What this participant has registered; changed before `register` and `unregister` are called. */
  readonly registrations: LocalRegistrations
  readonly register: (
    entries: ReadonlyArray<Entry>,
    options?: RequestOptions
  ) => Effect.Effect<void, InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestError>
  readonly unregister: (entries: ReadonlyArray<Entry>, options?: RequestOptions) => Effect.Effect<void, RequestError>
  /** All routes, or an api's. */
  readonly routes: (api?: string) => Effect.Effect<ReadonlyArray<Route>, RequestError>
  /** Waits until there is a route that is wanted. */
  readonly awaitRoute: (isWanted: (route: Route) => boolean) => Effect.Effect<void>
  /** Completes when this participant has left. */
  readonly left: Effect.Effect<void>
  /** As `unregister`, when a scope closes: begins it, and returns what waits for its end, not long. Neither fails. */
  readonly withdraw: (entries: ReadonlyArray<Entry>) => Effect.Effect<Effect.Effect<void>>
}

export const make = (primitives: Primitives): Discovery.Service => {
  const { changes, discover, registrations, routes, setStrategy } = primitives

  return {
    register: (inputs, options) => Effect.flatMap(validateAll(inputs), (entries) => hold(primitives, entries, options)),
    unregister: (inputs, options) =>
      Effect.flatMap(validateAll(inputs), (entries) => {
        registrations.drop(entries)
        return primitives.unregister(entries, options)
      }),
    discover,
    instances: (api) => Effect.map(routes(api), (all) => all.filter((route) => !isEndpoint(route))),
    routes: routes(),
    changes,
    setStrategy,
    awaitApi: (api, options) => {
      check("awaitApi", options, { timeout: durationIssue, kind: oneOfIssue("http", "ipc") })
      const registered = Effect.raceFirst(
        primitives.awaitRoute(
          (route) => route.api === api && (options?.kind === undefined || route.kind === options.kind)
        ),
        Effect.zipRight(
          primitives.left,
          Effect.fail(new ServiceNotRegistered({ api, hint: "This participant has left." }))
        )
      )
      if (options?.timeout === undefined) return registered
      const hint = `It wasn't within ${Duration.format(options.timeout)}.`
      return Effect.timeoutFail(registered, {
        duration: options.timeout,
        onTimeout: () => new ServiceNotRegistered({ api, hint })
      })
    },
    ...(primitives.locate === undefined ? {} : { locate: primitives.locate })
  }
}

/**
 * Completes when the scope closes.
 */
export const closed: Effect.Effect<Effect.Effect<void>, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(Deferred.make<void>(), (deferred) => Deferred.succeed(deferred, undefined)),
  Deferred.await
)

/**
 * Registers entries until the scope closes.
 */
export const hold = (
  primitives: Pick<Primitives, "registrations" | "register" | "withdraw">,
  entries: ReadonlyArray<Entry>,
  options?: RequestOptions
) => {
  const withdraw = (held: () => ReadonlyArray<Entry>): Effect.Effect<Effect.Effect<void>> =>
    Effect.suspend(() => {
      const released = held()
      return released.length === 0 ? Effect.succeed(Effect.void) : primitives.withdraw(released)
    })

  return Effect.acquireRelease(
    Effect.sync(() => primitives.registrations.hold(entries)),
    (held) => Effect.flatten(withdraw(held))
  ).pipe(
    // What couldn't be registered isn't held, though the scope stays open. The caller's time is over, so it doesn't wait.
    Effect.flatMap((held) => Effect.onError(primitives.register(entries, options), () => withdraw(held)))
  )
}

/**
 * The failure of `discover` for an unknown api; `described` lists the known apis.
 */
export const notRegistered = (
  api: string,
  known: Iterable<string>,
  words: { readonly none: string; readonly some: (names: string) => string }
): ServiceNotRegistered => {
  const names: Array<string> = []
  for (const name of known) if (names.push(name) === maxNamesInError) break
  return new ServiceNotRegistered({ api, hint: names.length === 0 ? words.none : words.some(names.join(", ")) })
}

/** Why an api with instances has none for a request. */
export const declined = "Its strategy chose none of its instances."

/** Where an instance of the api is, by the table. */
export const discoverIn = (
  table: RouteTable,
  api: string,
  words: Parameters<typeof notRegistered>[2]
): Effect.Effect<string, ServiceNotRegistered> => {
  const chosen = table.chooseInstance(api)
  if (chosen !== undefined) return Effect.succeed(chosen.baseUrl)
  return Effect.fail(
    table.has(api) ? new ServiceNotRegistered({ api, hint: declined }) : notRegistered(api, table.apis(), words)
  )
}

/** How many apis an error names. */
const maxNamesInError = 20

const validateAll = (
  inputs: typeof DiscoveryEntry.Encoded | ReadonlyArray<typeof DiscoveryEntry.Encoded>
): Effect.Effect<ReadonlyArray<DiscoveryEntry>, InvalidEntry> =>
  Effect.suspend(() => Either.all(Arr.ensure(inputs).map(validateEntry)))
