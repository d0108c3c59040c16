/**
 * Which instance serves a path: every registered route by owner, api and path prefix, and the choice among them.
 *
 * It knows no transport, reads no global clock or random source, and does nothing asynchronous.
 *
 * @internal
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { PCGRandom } from "effect/Utils"
import type { Entry, Route, RouteChange } from "../DiscoveryEntry.js"
import type { Upstream } from "../HttpGateway.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import { keyOf } from "./EntryKey.js"
import { Api, InstanceGroup, LiveInstance, type Registration } from "./InstanceGroup.js"
import { PrefixTree } from "./PrefixTree.js"

/**
 * The instance chosen for one request. It counts as a connection of that instance until `release` or `next` is called;
 * further calls of `release` do nothing.
 */
export interface Selection extends Upstream {
  /** The instance as it is now, its connections included. */
  readonly instance: RoutingStrategy.Instance
  /**
   * The instance to try when this one refuses: the strategy's choice among the live ones that this request hasn't tried,
   * or `undefined` when all have been. Releases this one.
   */
  readonly next: () => Selection | undefined
  readonly release: () => void
}

/**
 * A strategy that threw, or picked what wasn't one of the instances it was given; the first instance was taken instead.
 */
export interface Fallback {
  readonly api: string
  readonly strategy: string
  readonly cause: unknown
}

export interface Options {
  /** For every api without a strategy of its own; round robin unless told otherwise. */
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
  /** Called with every {@link Fallback}, before the request goes on. */
  readonly onFallback?: ((fallback: Fallback) => void) | undefined
  /** Called when a strategy chose none of an api's instances: the request isn't routed. */
  readonly onDeclined?: ((declined: { readonly api: string; readonly strategy: string }) => void) | undefined
}

/**
 * The registry behind the gateway. Every function may be passed around on its own, `choose` as the gateway's resolver.
 *
 * Two apis may claim one prefix. The one that claimed it first keeps it for as long as it has an instance there, however
 * many instances either adds; then the next in line has it. So registering takes no other api's traffic, and no route is
 * lost.
 */
export interface RouteTable {
  /**
   * Adds the entries for this owner and returns those that are new. An entry that the owner holds already stays as it is.
   */
  readonly register: (owner: string, entries: Iterable<Entry | Route>) => ReadonlyArray<RouteChange>
  /** Removes the entries that this owner holds, and returns them. What only others hold stays. */
  readonly unregister: (owner: string, entries: Iterable<Entry | Route>) => ReadonlyArray<RouteChange>
  /** Removes all that the owner holds, and returns it. */
  readonly removeOwner: (owner: string) => ReadonlyArray<RouteChange>
  /**
   * The strategy for an api, registered or not; it stays while the api's instances come and go. Returns the one it
   * replaces. What a strategy remembers starts anew.
   */
  readonly setStrategy: (api: string, strategy: RoutingStrategy.RoutingStrategy) => RoutingStrategy.RoutingStrategy
  /**
   * The instance for a request's path, or `undefined` when no prefix takes it or the strategy declines. The longest prefix
   * wins, by whole segments; query and fragment don't matter. The cost grows with the segments that match, neither with
   * the number of apis nor with the length of the path.
   */
  readonly choose: (path: string) => Selection | undefined
  /**
   * One of the api's instances whatever their prefix, by its strategy; `undefined` when it has none or the strategy
   * declines. It isn't counted as a connection.
   */
  readonly chooseInstance: (api: string) => RoutingStrategy.Instance | undefined
  /** Whether the api has an instance that answers HTTP. The cost doesn't grow with the number of apis. */
  readonly has: (api: string) => boolean
  /** The names of the apis that have such instances, by the order of their first registration. */
  readonly apis: () => Iterable<string>
  /** What comes before the api's own paths at the gateway: its prefix where the gateway takes that off, else nothing. */
  readonly basePath: (api: string) => string
  /** The api's instances that answer HTTP, in the order of registration; one that several owners registered is one instance. */
  readonly instances: (api: string) => ReadonlyArray<RoutingStrategy.Instance>
  /** Every owner's registrations, in the order in which they were made. */
  readonly routes: () => ReadonlyArray<Route>
  /**
   * Some of the routes, in the order in which they were registered: those after the last page's `next`, 0 for the first
   * page. The last page has none.
   */
  readonly page: (after: number, size: number, which?: Which) => Page
  /**
   * How many routes there are, or an owner has.
   */
  readonly size: (owner?: string) => number
  /**
   * How many routes registering the entries would add.
   */
  readonly countNew: (owner: string, entries: Iterable<Entry | Route>) => number
  /** The api's endpoints as they are now, as changes: their participants learn the api's strategy by them. */
  readonly repeatEndpoints: (api: string) => ReadonlyArray<RouteChange>
  /** Grows by one with every call that returned changes. */
  readonly version: () => number
}

export interface Which {
  /** That api's alone. */
  readonly api?: string | undefined
  /** Also those that participants of earlier versions don't know. */
  readonly all?: boolean | undefined
}

export interface Page {
  readonly routes: ReadonlyArray<Route>
  readonly next: number | undefined
}

/**
 * An empty table whose times are the Clock's, and whose random choices follow from a seed drawn from Effect's Random.
 */
export const make: (options?: Options) => Effect.Effect<RouteTable> = Effect.fnUntraced(function* (options?: Options) {
  const clock = yield* Effect.clock
  const generator = new PCGRandom(yield* Random.nextIntBetween(0, 0x7fffffff))
  return unsafeMake({
    ...options,
    now: () => clock.unsafeCurrentTimeMillis(),
    random: () => generator.number()
  })
})

/**
 * An empty table with the caller's own time (milliseconds since 1970) and random source (from 0 up to and without 1).
 */
export const unsafeMake = (options: Options & Environment): RouteTable => new Table(options)

/**
 * What a table takes from the world around it.
 */
export interface Environment extends RoutingStrategy.Sources {
  /** Milliseconds since 1970. */
  readonly now: () => number
}

class Table implements RouteTable {
  readonly #options: Options & Environment
  readonly #tree = new PrefixTree<InstanceGroup>()
  readonly #apis = new Map<string, Api>()
  readonly #strategies = new Map<string, RoutingStrategy.RoutingStrategy>()
  readonly #owners = new Map<string, Set<Registration>>()
  /** By id, in ascending order. */
  readonly #registrations = new Map<number, Registration>()
  #latestInstance = 0
  #latestRegistration = 0
  #version = 0

  constructor(options: Options & Environment) {
    this.#options = options
  }

  readonly register = (owner: string, entries: Iterable<Entry | Route>): ReadonlyArray<RouteChange> => {
    const registeredAt = this.#options.now()
    const changes: Array<RouteChange> = []
    for (const entry of entries) {
      const instance = this.#instanceFor(entry, registeredAt)
      if (instance.registrations.has(owner)) continue
      const registration: Registration = { id: ++this.#latestRegistration, owner, instance, registeredAt }
      instance.registrations.set(owner, registration)
      this.#registrations.set(registration.id, registration)
      getOrInsert(this.#owners, owner, () => new Set()).add(registration)
      changes.push({ _tag: "Registered", route: this.#route(registration) })
    }
    return this.#changed(changes)
  }

  readonly unregister = (owner: string, entries: Iterable<Entry | Route>): ReadonlyArray<RouteChange> => {
    const changes: Array<RouteChange> = []
    for (const entry of entries) {
      const registration = this.#find(owner, entry)
      if (registration !== undefined) changes.push(this.#remove(registration))
    }
    return this.#changed(changes)
  }

  readonly removeOwner = (owner: string): ReadonlyArray<RouteChange> =>
    this.#changed(Array.from(this.#owners.get(owner) ?? [], (registration) => this.#remove(registration)))

  readonly setStrategy = (name: string, strategy: RoutingStrategy.RoutingStrategy): RoutingStrategy.RoutingStrategy => {
    const replaced = this.#strategyOf(name)
    this.#strategies.set(name, strategy)
    const api = this.#apis.get(name)
    if (api === undefined) return replaced
    api.pick = undefined
    for (const group of api.groups.values()) group.pick = undefined
    return replaced
  }

  readonly choose = (path: string): Selection | undefined => {
    const group = this.#tree.longestPrefix(path)
    return group === undefined ? undefined : this.#select(group, path, undefined)
  }

  readonly chooseInstance = (name: string): RoutingStrategy.Instance | undefined => {
    const api = this.#apis.get(name)
    const instances = api?.instances() ?? []
    if (api === undefined || !isNonEmpty(instances)) return undefined
    const picked = this.#pick(api, instances, instances[0].pathPrefix, undefined)
    return picked === undefined ? undefined : snapshot(picked)
  }

  readonly has = (api: string): boolean => this.#apis.get(api)?.hasHttp === true

  readonly basePath = (api: string): string => {
    const stripped =
      this.#apis
        .get(api)
        ?.instances()
        .find(({ stripsPrefix }) => stripsPrefix)?.pathPrefix ?? ""
    return stripped === "/" ? "" : stripped
  }

  readonly apis = (): Iterable<string> => namesOf(this.#apis.values())

  readonly instances = (api: string): ReadonlyArray<RoutingStrategy.Instance> =>
    (this.#apis.get(api)?.instances() ?? []).map(snapshot)

  readonly routes = (): ReadonlyArray<Route> =>
    Array.from(this.#registrations.values(), (registration) => this.#route(registration))

  readonly page = (after: number, size: number, { all = false, api }: Which = {}): Page => {
    const found: Array<Registration> = []
    for (const registration of api === undefined ? this.#registrations.values() : this.#registrationsOf(api)) {
      if (registration.id <= after || !(all || registration.instance.isPlain)) continue
      if (found.push(registration) > size) break
    }
    const shown = found.slice(0, size)
    return {
      routes: shown.map((registration) => this.#route(registration)),
      next: found.length > size ? shown.at(-1)?.id : undefined
    }
  }

  readonly size = (owner?: string): number =>
    owner === undefined ? this.#registrations.size : (this.#owners.get(owner)?.size ?? 0)

  readonly countNew = (owner: string, entries: Iterable<Entry | Route>): number => {
    const added = new Set<string>()
    for (const entry of entries) if (this.#find(owner, entry) === undefined) added.add(keyOf(entry))
    return added.size
  }

  readonly repeatEndpoints = (api: string): ReadonlyArray<RouteChange> =>
    this.#changed(
      this.#registrationsOf(api)
        .filter(({ instance }) => instance.kind === "ipc")
        .map((registration) => ({ _tag: "Registered", route: this.#route(registration) }))
    )

  readonly version = (): number => this.#version

  #find(owner: string, { api, baseUrl, pathPrefix }: Entry | Route): Registration | undefined {
    return this.#apis.get(api)?.groups.get(pathPrefix)?.instances.get(baseUrl)?.registrations.get(owner)
  }

  #registrationsOf(api: string): ReadonlyArray<Registration> {
    const instances = this.#apis.get(api)?.all() ?? []
    return instances
      .flatMap((instance) => Array.from(instance.registrations.values()))
      .sort((one, other) => one.id - other.id)
  }

  #instanceFor(entry: Entry | Route, registeredAt: number): LiveInstance {
    const { api: name, baseUrl, pathPrefix } = entry
    const api = getOrInsert(this.#apis, name, () => new Api(name))
    const group = getOrInsert(api.groups, pathPrefix, () => new InstanceGroup(api, pathPrefix, this.#tree))
    const existing = group.instances.get(baseUrl)
    if (existing !== undefined) return existing
    const instance = new LiveInstance(++this.#latestInstance, group, baseUrl, registeredAt, stripsPrefix(entry))
    group.add(instance)
    return instance
  }

  #remove(registration: Registration): RouteChange {
    const { instance, owner } = registration
    const { group, pathPrefix } = instance
    const change: RouteChange = { _tag: "Unregistered", route: this.#route(registration) }
    this.#registrations.delete(registration.id)
    const owned = this.#owners.get(owner)
    owned?.delete(registration)
    if (owned?.size === 0) this.#owners.delete(owner)
    instance.registrations.delete(owner)
    if (group === undefined || instance.registrations.size > 0) return change
    instance.leave()
    if (group.instances.size > 0) return change
    group.claim?.release()
    group.api.groups.delete(pathPrefix)
    if (group.api.groups.size === 0) this.#apis.delete(group.api.name)
    return change
  }

  #changed(changes: ReadonlyArray<RouteChange>): ReadonlyArray<RouteChange> {
    if (changes.length > 0) this.#version++
    return changes
  }

  #route({ instance, owner, registeredAt }: Registration): Route {
    const { api, baseUrl, connections, kind, pathPrefix, stripsPrefix } = instance
    const stripPrefix = stripsPrefix ? { stripPrefix: true } : {}
    return {
      kind,
      api,
      pathPrefix,
      ...stripPrefix,
      baseUrl,
      owner,
      registeredAt,
      connections,
      strategy: this.#strategyOf(api).name
    }
  }

  #strategyOf(api: string): RoutingStrategy.RoutingStrategy {
    return this.#strategies.get(api) ?? this.#options.strategy ?? RoutingStrategy.roundRobin
  }

  /** `tried` holds the base URLs that this request was given before. */
  #select(group: InstanceGroup, path: string, tried: Set<string> | undefined): Selection | undefined {
    const live = group.live()
    const candidates = tried === undefined ? live : live.filter((instance) => !tried.has(instance.baseUrl))
    if (!isNonEmpty(candidates)) return undefined
    const instance = this.#pick(group, candidates, path, tried)
    if (instance === undefined) return undefined
    tried?.add(instance.baseUrl)
    return new Chosen(instance, path, tried, this.#selectNext)
  }

  readonly #selectNext = (refused: LiveInstance, path: string, tried: Set<string>): Selection | undefined => {
    // The last instance of the prefix may have gone and another have come since: then the group is a new one.
    const group = this.#apis.get(refused.api)?.groups.get(refused.pathPrefix)
    return group === undefined ? undefined : this.#select(group, path, tried)
  }

  /** By the strategy, which remembers what it wants to among the instances that it chooses from. */
  #pick(
    among: Api | InstanceGroup,
    candidates: NonEmptyReadonlyArray<LiveInstance>,
    path: string,
    tried: Set<string> | undefined
  ): LiveInstance | undefined {
    const api = among instanceof Api ? among : among.api
    let cause: unknown
    // A strategy is the caller's function: what it throws must cost neither the request nor the gateway.
    try {
      const pick = among.pick ?? this.#start(among, api)
      const picked: unknown = pick(candidates, path)
      if (picked === undefined || picked === null) {
        this.#options.onDeclined?.({ api: api.name, strategy: this.#strategyOf(api.name).name })
        return undefined
      }
      if (picked instanceof LiveInstance && picked.isAmong(among) && tried?.has(picked.baseUrl) !== true) return picked
      cause = new TypeError("It returned something that isn't one of the instances it was given.")
    } catch (error) {
      cause = error
    }
    this.#options.onFallback?.({ api: api.name, strategy: this.#strategyOf(api.name).name, cause })
    return candidates[0]
  }

  #start(among: Api | InstanceGroup, api: Api): RoutingStrategy.Pick {
    const strategy = this.#strategyOf(api.name)
    const pick = strategy.start(this.#options)
    // As it starts, it may have set another one.
    if (strategy === this.#strategyOf(api.name)) among.pick = pick
    return pick
  }
}

class Chosen implements Selection {
  readonly instance: LiveInstance
  readonly baseUrl: string
  readonly route: string
  readonly stripPrefix: string | undefined
  readonly next: () => Selection | undefined
  readonly release: () => void

  constructor(
    instance: LiveInstance,
    path: string,
    tried: Set<string> | undefined,
    selectNext: (refused: LiveInstance, path: string, tried: Set<string>) => Selection | undefined
  ) {
    let released = false
    let given = tried
    this.instance = instance
    this.baseUrl = instance.baseUrl
    this.route = instance.route
    this.stripPrefix = instance.stripsPrefix ? instance.pathPrefix : undefined
    this.release = () => {
      if (released) return
      released = true
      instance.connections--
    }
    this.next = () => {
      this.release()
      given ??= new Set([instance.baseUrl])
      return selectNext(instance, path, given)
    }
    instance.connections++
  }
}

function* namesOf(apis: Iterable<Api>): Iterable<string> {
  for (const api of apis) if (api.hasHttp) yield api.name
}

const stripsPrefix = (entry: Entry | Route): boolean => "stripPrefix" in entry && entry.stripPrefix === true

const snapshot = (instance: LiveInstance): RoutingStrategy.Instance => ({
  id: instance.id,
  api: instance.api,
  baseUrl: instance.baseUrl,
  pathPrefix: instance.pathPrefix,
  registeredAt: instance.registeredAt,
  connections: instance.connections
})

const getOrInsert = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const existing = map.get(key)
  if (existing !== undefined) return existing
  const value = make()
  map.set(key, value)
  return value
}

const isNonEmpty = <A>(values: ReadonlyArray<A>): values is NonEmptyReadonlyArray<A> => values.length > 0
