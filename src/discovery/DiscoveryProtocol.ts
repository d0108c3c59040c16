/**
 * Discovery's requests as they are on the wire. The first three are answered to any client; the others are between two of
 * ours. What a handler takes is limited before it is parsed: the leader answers any client.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { DiscoveryEntry, InvalidEntry, Route, RouteChange, RouteKind } from "../DiscoveryEntry.js"
import { IPCClient } from "../IPCClient.js"
import { RegistryLimitExceeded } from "../IPCError.js"
import { limited } from "../IPCRequest.js"
import { IPCServer } from "../IPCServer.js"
import { RoutingStrategyName } from "../RoutingStrategy.js"

/** The most entries that one request registers or unregisters. */
export const maxEntriesAtOnce = 1000

/** The most routes in one page, and the most changes in one message. */
export const maxRoutesAtOnce = 128

/** The largest request, with entries as its payload. */
const maxListBytes = 1024 * 1024

/** The largest request without them. */
const small = { bytes: 4096, collections: 1 }

const list = { bytes: maxListBytes, collections: maxEntriesAtOnce + 1 }

/** Each is validated by itself, so that one that is wrong doesn't cost the others. */
const Entries = Schema.Unknown.pipe(
  Schema.filter((payload): payload is ReadonlyArray<unknown> => isList(payload), {
    message: () => `it isn't a list of at most ${maxEntriesAtOnce} entries`
  })
)

const isList = (payload: unknown): payload is ReadonlyArray<unknown> =>
  Array.isArray(payload) && payload.length <= maxEntriesAtOnce

/** Adds the caller's entries. Where some can't be registered the others are, and the failure is the first one's. */
export const Register = limited(
  IPCServer.defineRequest("discovery/register", {
    payload: Entries,
    failure: Schema.Union(InvalidEntry, RegistryLimitExceeded)
  }),
  list
)

/** Removes entries of the caller's own. */
export const Unregister = limited(IPCServer.defineRequest("discovery/unregister", { payload: Entries }), list)

/**
 * As {@link Register}, for entries that a leader of an earlier version would take for something else: it has no handler for
 * this.
 */
export const RegisterEntries = limited(
  IPCServer.defineRequest("discovery/registerEntries", {
    payload: Entries,
    failure: Schema.Union(InvalidEntry, RegistryLimitExceeded)
  }),
  list
)

/** As {@link Unregister}, for those. */
export const UnregisterEntries = limited(
  IPCServer.defineRequest("discovery/unregisterEntries", { payload: Entries }),
  list
)

/** A route as it is on the wire. Its receiver fills in the default kind, so that the Schema transforms no route. */
const SentRoute = Schema.Struct({ ...Route.fields, kind: Schema.optional(RouteKind) })

/** The route, whose kind is `http` where none is named. */
export const received = ({ kind = "http", ...route }: typeof SentRoute.Type): Route => ({ kind, ...route })

/** Where an api is reached. */
export const DiscoverApi = limited(
  IPCServer.defineRequest("discovery/discoverApi", {
    payload: Schema.String.annotations({ message: () => "an api's name is a string" }),
    success: Schema.Union(
      Schema.Struct({
        success: Schema.Literal(true),
        url: Schema.String,
        /** What comes before the api's own paths there. Default nothing. */
        basePath: Schema.optional(Schema.String)
      }),
      Schema.Struct({ success: Schema.Literal(false), error: Schema.String, hint: Schema.optional(Schema.String) })
    )
  }),
  small
)

/**
 * One page of the routes, by the order of registration. With `watch` every later change comes as a {@link Changed} message.
 * Versions grow with every change: the changes after the first page's version make the pages' routes current.
 */
export const RoutePage = limited(
  IPCServer.defineRequest("discovery/routePage", {
    payload: Schema.Struct({
      /** The last page's `next`; 0 for the first page. */
      after: Schema.Number,
      watch: Schema.Boolean,
      /** Also entries that earlier versions don't know, here and in the changes. */
      all: Schema.optional(Schema.Boolean),
      /** That api's alone. */
      api: Schema.optional(Schema.String)
    }),
    success: Schema.Struct({
      version: Schema.Number,
      routes: Schema.Array(SentRoute),
      /** Whether the leader keeps such entries. */
      all: Schema.optional(Schema.Boolean),
      /** None on the last page. */
      next: Schema.optional(Schema.Number)
    })
  }),
  small
)

/** All routes in one answer, as participants of version 0.1 ask for them. Fails where they are too many for one. */
export const GetRoutes = limited(IPCServer.defineRequest("discovery/routes", { success: Schema.Array(Route) }), small)

/** As {@link GetRoutes}; from then on every change comes as a {@link Changed} message. */
export const Watch = limited(
  IPCServer.defineRequest("discovery/watch", {
    success: Schema.Struct({ version: Schema.Number, routes: Schema.Array(Route) })
  }),
  small
)

/** A payload of {@link Changed} that needs no encoding: it is JSON already, for many watchers. */
export const ChangedAsIs = IPCClient.defineRequest<unknown>("discovery/changed")

/**
 * {@link GetRoutes} and {@link Watch} as the leader answers them. The routes are its own: to encode ten thousand of them by a
 * Schema would keep it busy for longer than any other request of discovery.
 */
export const GetRoutesAsIs = limited(IPCServer.defineRequest(GetRoutes.name, { success: Schema.Unknown }), small)
export const WatchAsIs = limited(IPCServer.defineRequest(Watch.name, { success: Schema.Unknown }), small)

export const Changed = IPCClient.defineRequest("discovery/changed", {
  payload: Schema.Struct({
    version: Schema.Number,
    changes: Schema.Array(RouteChange),
    /** Whether there were changes before these that this watcher was too slow to get: it has to ask for the routes again. */
    missed: Schema.optional(Schema.Boolean)
  })
})

/** Sets an api's strategy, by name: a function can't cross the wire. */
export const SetStrategy = limited(
  IPCServer.defineRequest("discovery/setStrategy", {
    payload: Schema.Struct({ api: DiscoveryEntry.fields.api, strategy: RoutingStrategyName })
  }),
  small
)
