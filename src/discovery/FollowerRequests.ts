/**
 * What a follower asks of its leader: to register and remove entries, to find an api, to set a strategy. Many entries go in
 * several requests.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Entry, InvalidEntry } from "../DiscoveryEntry.js"
import { isEndpoint, isPlain } from "../DiscoveryEntry.js"
import type { IPCClient } from "../IPCClient.js"
import type { RegistryLimitExceeded, RequestError, RequestFailed } from "../IPCError.js"
import { EntryUnsupported, ServiceNotRegistered } from "../IPCError.js"
import type { RequestOptions } from "../IPCRequest.js"
import { detached } from "../internal/Detached.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import * as Protocol from "./DiscoveryProtocol.js"
import type * as LocalRegistrations from "./LocalRegistrations.js"

export const register = (client: IPCClient.Service, entries: ReadonlyArray<Entry>, within?: RequestOptions) =>
  Effect.forEach(batches(entries), (batch) => registerBatch(client, batch, within), { discard: true })

export const unregister = (client: IPCClient.Service, entries: ReadonlyArray<Entry>, within?: RequestOptions) =>
  Effect.forEach(batches(entries), (batch) => client.request(unregisterOf(batch), batch, within), { discard: true })

export const discover = (client: IPCClient.Service, api: string, within?: RequestOptions) =>
  Effect.flatMap(client.request(Protocol.DiscoverApi, api, within), (answer) =>
    answer.success
      ? Effect.succeed({ url: answer.url, basePath: answer.basePath ?? "" })
      : Effect.fail(new ServiceNotRegistered({ api, hint: answer.hint ?? answer.error }))
  )

/** Registers with a new leader what is registered already. Logs what it refuses. */
export const repeatRegistrations = (client: IPCClient.Service, own: LocalRegistrations.LocalRegistrations) =>
  Effect.forEach(batches(own.entries()), (entries) => repeatRegistration(client, own, entries), { discard: true })

/** Sets a strategy at a new leader. Logs a refusal. */
export const repeatStrategy = (
  client: IPCClient.Service,
  api: string,
  strategy: RoutingStrategy.RoutingStrategy
): Effect.Effect<void, RequestError> => Effect.catchTag(setStrategy(client, api, strategy), "RequestFailed", logRefusal)

/** Does nothing with a strategy that has no name, or a leader of an earlier version. */
export const setStrategy = (
  client: IPCClient.Service,
  api: string,
  strategy: RoutingStrategy.RoutingStrategy,
  within?: RequestOptions
): Effect.Effect<void, RequestError> => {
  const name = RoutingStrategy.nameOf(strategy)
  if (name === undefined) return Effect.void
  return Effect.catchTag(
    client.request(Protocol.SetStrategy, { api, strategy: name }, within),
    "NoHandler",
    () => Effect.void
  )
}

/** What an earlier leader took, and this one doesn't: the participant follows all the same. */
const logRefusal = (error: InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestFailed) =>
  Effect.logWarning(`The leader refused what this participant has registered: ${error.message}`)

/** Registers one batch; the leader of an earlier version has no handler for what it doesn't know. */
const registerBatch = (client: IPCClient.Service, batch: ReadonlyArray<Entry>, within?: RequestOptions) =>
  Effect.catchTag(client.request(registerOf(batch), batch, within), "NoHandler", (error) => {
    const unknown = batch.find((entry) => !isPlain(entry))
    return Effect.fail(unknown === undefined ? error : unsupported(unknown))
  })

const unsupported = (entry: Entry): EntryUnsupported =>
  new EntryUnsupported({ api: entry.api, feature: isEndpoint(entry) ? "endpoints" : "stripPrefix" })

const registerOf = (batch: ReadonlyArray<Entry>) =>
  batch.every(isPlain) ? Protocol.Register : Protocol.RegisterEntries

const unregisterOf = (batch: ReadonlyArray<Entry>) =>
  batch.every(isPlain) ? Protocol.Unregister : Protocol.UnregisterEntries

/** Where the registry of the new leader is full, registers again when it may have room. */
const repeatRegistration = (
  client: IPCClient.Service,
  own: LocalRegistrations.LocalRegistrations,
  entries: ReadonlyArray<Entry>
) => {
  const register = Effect.suspend(() => registerBatch(client, entries.filter(own.has)))
  const registerLater = Effect.retry(register, {
    schedule: Schedule.spaced(refusedPause),
    while: (error) => error._tag === "RegistryLimitExceeded"
  }).pipe(Effect.ignore, Effect.delay(refusedPause), detached, Effect.forkScoped)
  return Effect.catchTags(register, {
    InvalidEntry: logRefusal,
    EntryUnsupported: logRefusal,
    RequestFailed: logRefusal,
    RegistryLimitExceeded: (error) => Effect.zipRight(logRefusal(error), registerLater)
  })
}

const refusedPause = Duration.seconds(10)

/** As many entries as one request takes, all of them known to earlier versions or none. */
const batches = (entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<Entry>> =>
  Arr.partition(entries, (entry) => !isPlain(entry)).flatMap(batchesOfKind)

const batchesOfKind = (entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<Entry>> => {
  const all: Array<Array<Entry>> = []
  let length = 0
  for (const entry of entries) {
    length += entry.api.length + entry.baseUrl.length + entry.pathPrefix.length
    const last = all.at(-1)
    if (last !== undefined && length <= maxBatchLength && last.length < Protocol.maxEntriesAtOnce) {
      last.push(entry)
    } else {
      all.push([entry])
      length = 0
    }
  }
  return all
}

/** Well below what a request takes, as JSON and in UTF-8 as well, in characters. */
const maxBatchLength = 128 * 1024
