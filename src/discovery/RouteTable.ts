/**
 * Which instance serves a path: every registered route by owner, api and path prefix, and the choice among them.
 *
 * It knows no transport, reads no global clock or random source, and does nothing asynchronous.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { PCGRandom } from "effect/Utils"
import type { DiscoveryEntry, Route, RouteChange } from "../DiscoveryEntry.js"
import type { Upstream } from "../HttpGateway.js"
import * as RoutingStrategy from "../RoutingStrategy.js"

/**
 * The instance chosen for one request. It counts as a connection of that instance until `release` or `next` is called;
 * further calls of `release` do nothing.
 *
 * @since 0.1.0
 * @category models
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
 *
 * @since 0.1.0
 * @category models
 */
export interface Fallback {
  readonly api: string
  readonly strategy: string
  readonly cause: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** For every api without a strategy of its own; round robin unless told otherwise. */
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
  /** Told of every {@link Fallback}, before the request goes on. */
  readonly onFallback?: ((fallback: Fallback) => void) | undefined
}

/**
 * The registry behind the gateway. Every function may be passed around on its own, `choose` as the gateway's resolver.
 *
 * Two apis may claim one prefix. The one that claimed it first keeps it for as long as it has an instance there, however
 * many instances either adds; then the next in line has it. So nobody takes another's traffic by registering, and
 * nobody's routes are lost.
 *
 * @since 0.1.0
 * @category models
 */
export interface RouteTable {
  /**
   * Adds the entries for this owner and returns those that are new. An entry that the owner holds already stays as it is.
   */
  readonly register: (owner: string, entries: Iterable<DiscoveryEntry>) => ReadonlyArray<RouteChange>
  /** Removes the entries that this owner holds, and returns them. What only others hold stays. */
  readonly unregister: (owner: string, entries: Iterable<DiscoveryEntry>) => ReadonlyArray<RouteChange>
  /** Removes all that the owner holds, and returns it. */
  readonly removeOwner: (owner: string) => ReadonlyArray<RouteChange>
  /**
   * The strategy for an api, registered or not; it stays while the api's instances come and go. Returns the one it
   * replaces. What a strategy remembers starts anew.
   */
  readonly setStrategy: (api: string, strategy: RoutingStrategy.RoutingStrategy) => RoutingStrategy.RoutingStrategy
  /**
   * The instance for a request's path, or `undefined` when no prefix takes it. The longest prefix wins, by whole
   * segments; query and fragment don't matter. The cost grows with the segments that match, neither with the number
   * of apis nor with the length of the path.
   */
  readonly choose: (path: string) => Selection | undefined
  /** The api's instances in the order of registration; one that several owners registered is one instance. */
  readonly instances: (api: string) => ReadonlyArray<RoutingStrategy.Instance>
  /** Every owner's registrations, in the order in which they were made. */
  readonly routes: () => ReadonlyArray<Route>
  /** Grows by one with every call that changed the routes. */
  readonly version: () => number
}

/**
 * An empty table whose times are the Clock's, and whose random choices follow from a seed drawn from Effect's Random.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { RouteTable, validateEntry } from "effect-ipc"
 *
 * const program = Effect.gen(function* () {
 *   const table = yield* RouteTable.make()
 *   const entry = yield* validateEntry({
 *     api: "users",
 *     baseUrl: "http://127.0.0.1:4001",
 *     pathPrefix: "/users"
 *   })
 *   table.register("worker-1", [entry])
 *   const upstream = table.choose("/users/7?full=1")
 *   console.log(upstream?.baseUrl) // http://127.0.0.1:4001
 *   upstream?.release()
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
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
 *
 * @since 0.1.0
 * @category constructors
 */
export const unsafeMake = (options: Options & Environment): RouteTable => new Table(options)

/**
 * What a table takes from the world around it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Environment extends RoutingStrategy.Sources {
  /** Milliseconds since 1970. */
  readonly now: () => number
}

class Table implements RouteTable {
  readonly #options: Options & Environment
  readonly #root = new Node(undefined, "")
  readonly #apis = new Map<string, Map<string, Group>>()
  readonly #strategies = new Map<string, RoutingStrategy.RoutingStrategy>()
  readonly #owners = new Map<string, Set<Registration>>()
  readonly #registrations = new Set<Registration>()
  #latestId = 0
  #version = 0

  constructor(options: Options & Environment) {
    this.#options = options
  }

  readonly register = (owner: string, entries: Iterable<DiscoveryEntry>): ReadonlyArray<RouteChange> => {
    const registeredAt = this.#options.now()
    const changes: Array<RouteChange> = []
    for (const entry of entries) {
      const instance = this.#instanceFor(entry, registeredAt)
      if (instance.registrations.has(owner)) continue
      const registration: Registration = { owner, instance, registeredAt }
      instance.registrations.set(owner, registration)
      this.#registrations.add(registration)
      getOrInsert(this.#owners, owner, () => new Set()).add(registration)
      changes.push({ _tag: "Registered", route: this.#route(registration) })
    }
    return this.#changed(changes)
  }

  readonly unregister = (owner: string, entries: Iterable<DiscoveryEntry>): ReadonlyArray<RouteChange> => {
    const changes: Array<RouteChange> = []
    for (const entry of entries) {
      const group = this.#apis.get(entry.api)?.get(entry.pathPrefix)
      const registration = group?.instances.get(entry.baseUrl)?.registrations.get(owner)
      if (registration !== undefined) changes.push(this.#remove(registration))
    }
    return this.#changed(changes)
  }

  readonly removeOwner = (owner: string): ReadonlyArray<RouteChange> =>
    this.#changed(Array.from(this.#owners.get(owner) ?? [], (registration) => this.#remove(registration)))

  readonly setStrategy = (api: string, strategy: RoutingStrategy.RoutingStrategy): RoutingStrategy.RoutingStrategy => {
    const replaced = this.#strategyOf(api)
    this.#strategies.set(api, strategy)
    for (const group of this.#apis.get(api)?.values() ?? []) group.pick = undefined
    return replaced
  }

  readonly choose = (path: string): Selection | undefined => {
    const group = this.#root.longestPrefix(path)
    return group === undefined ? undefined : this.#select(group, path, undefined)
  }

  readonly instances = (api: string): ReadonlyArray<RoutingStrategy.Instance> =>
    Array.from(this.#apis.get(api)?.values() ?? [], (group) => Array.from(group.instances.values(), snapshot))
      .flat()
      .sort((one, other) => one.id - other.id)

  readonly routes = (): ReadonlyArray<Route> =>
    Array.from(this.#registrations, (registration) => this.#route(registration))

  readonly version = (): number => this.#version

  #instanceFor({ api, baseUrl, pathPrefix }: DiscoveryEntry, registeredAt: number): LiveInstance {
    const groups = getOrInsert(this.#apis, api, () => new Map<string, Group>())
    const group = getOrInsert(groups, pathPrefix, () => this.#root.descend(pathPrefix).claim(api, pathPrefix))
    const existing = group.instances.get(baseUrl)
    if (existing !== undefined) return existing
    const instance = new LiveInstance(++this.#latestId, group, baseUrl, registeredAt)
    group.add(instance)
    return instance
  }

  #remove(registration: Registration): RouteChange {
    const { instance, owner } = registration
    const { api, group, pathPrefix } = instance
    const change: RouteChange = { _tag: "Unregistered", route: this.#route(registration) }
    this.#registrations.delete(registration)
    const owned = this.#owners.get(owner)
    owned?.delete(registration)
    if (owned?.size === 0) this.#owners.delete(owner)
    instance.registrations.delete(owner)
    if (group === undefined || instance.registrations.size > 0) return change
    instance.leave()
    if (group.instances.size > 0) return change
    group.node.disclaim(group)
    const groups = this.#apis.get(api)
    groups?.delete(pathPrefix)
    if (groups?.size === 0) this.#apis.delete(api)
    return change
  }

  #changed(changes: ReadonlyArray<RouteChange>): ReadonlyArray<RouteChange> {
    if (changes.length > 0) this.#version++
    return changes
  }

  #route({ instance, owner, registeredAt }: Registration): Route {
    const { api, baseUrl, connections, pathPrefix } = instance
    return { api, pathPrefix, baseUrl, owner, registeredAt, connections, strategy: this.#strategyOf(api).name }
  }

  #strategyOf(api: string): RoutingStrategy.RoutingStrategy {
    return this.#strategies.get(api) ?? this.#options.strategy ?? RoutingStrategy.roundRobin
  }

  /** `tried` holds the base URLs that this request was given before. */
  #select(group: Group, path: string, tried: Set<string> | undefined): Selection | undefined {
    const live = group.live()
    const candidates = tried === undefined ? live : live.filter((instance) => !tried.has(instance.baseUrl))
    if (!isNonEmpty(candidates)) return undefined
    const instance = this.#pick(group, candidates, path, tried)
    tried?.add(instance.baseUrl)
    return new Chosen(instance, path, tried, this.#selectNext)
  }

  readonly #selectNext = (refused: LiveInstance, path: string, tried: Set<string>): Selection | undefined => {
    // The last instance of the prefix may have gone and another have come since: then the group is a new one.
    const group = this.#apis.get(refused.api)?.get(refused.pathPrefix)
    return group === undefined ? undefined : this.#select(group, path, tried)
  }

  #pick(
    group: Group,
    candidates: NonEmptyReadonlyArray<LiveInstance>,
    path: string,
    tried: Set<string> | undefined
  ): LiveInstance {
    let cause: unknown
    // A strategy is the caller's function: what it throws must cost neither the request nor the gateway.
    try {
      group.pick ??= this.#strategyOf(group.api).start(this.#options)
      const picked: unknown = group.pick(candidates, path)
      if (picked === undefined) return candidates[0]
      const live = picked instanceof LiveInstance && picked.group === group
      if (live && tried?.has(picked.baseUrl) !== true) return picked
      cause = new TypeError("It returned something that isn't one of the instances it was given.")
    } catch (error) {
      cause = error
    }
    this.#options.onFallback?.({ api: group.api, strategy: this.#strategyOf(group.api).name, cause })
    return candidates[0]
  }
}

class Chosen implements Selection {
  readonly instance: LiveInstance
  readonly baseUrl: string
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

interface Registration {
  readonly owner: string
  readonly instance: LiveInstance
  readonly registeredAt: number
}

class LiveInstance implements RoutingStrategy.Instance {
  readonly id: number
  readonly api: string
  readonly pathPrefix: string
  readonly baseUrl: string
  readonly registeredAt: number
  connections = 0
  // Private fields keep the rest of the table out of what a caller's strategy logs or compares.
  #group: Group | undefined
  readonly #registrations = new Map<string, Registration>()

  constructor(id: number, group: Group, baseUrl: string, registeredAt: number) {
    this.id = id
    this.api = group.api
    this.pathPrefix = group.pathPrefix
    this.baseUrl = baseUrl
    this.registeredAt = registeredAt
    this.#group = group
  }

  /** None once its last owner has left. */
  get group(): Group | undefined {
    return this.#group
  }

  leave(): void {
    this.#group?.remove(this)
    this.#group = undefined
  }

  /** By owner. */
  get registrations(): Map<string, Registration> {
    return this.#registrations
  }
}

const snapshot = (instance: LiveInstance): RoutingStrategy.Instance => ({
  id: instance.id,
  api: instance.api,
  baseUrl: instance.baseUrl,
  pathPrefix: instance.pathPrefix,
  registeredAt: instance.registeredAt,
  connections: instance.connections
})

/** The instances of one api below one prefix. It lives for as long as it has any. */
class Group {
  readonly api: string
  readonly pathPrefix: string
  readonly node: Node
  /** By base URL, and in ascending order of id. */
  readonly instances = new Map<string, LiveInstance>()
  /** Made at the first choice. */
  pick: RoutingStrategy.Pick | undefined
  /** The neighbours among the groups that claim the same prefix. */
  earlier: Group | undefined
  later: Group | undefined
  #live: ReadonlyArray<LiveInstance> | undefined

  constructor(api: string, pathPrefix: string, node: Node) {
    this.api = api
    this.pathPrefix = pathPrefix
    this.node = node
  }

  add(instance: LiveInstance): void {
    this.instances.set(instance.baseUrl, instance)
    this.#live = undefined
  }

  remove(instance: LiveInstance): void {
    this.instances.delete(instance.baseUrl)
    this.#live = undefined
  }

  /** Made anew only by the first choice after a change, so that a thousand registrations in a row cost no copies. */
  live(): ReadonlyArray<LiveInstance> {
    // A caller's strategy gets this very array, and a sort in place would break every other strategy's order.
    this.#live ??= Object.freeze(Array.from(this.instances.values()))
    return this.#live
  }
}

/**
 * One segment of a prefix. A trie is what bounds a lookup: it ends at the first segment that no prefix goes on with, so a
 * long path costs no more than the prefix it matches.
 */
class Node {
  readonly #parent: Node | undefined
  readonly #segment: string
  #children: Map<string, Node> | undefined
  /** The groups that claim this prefix are a linked list, so that any of them leaves at the same cost. */
  #earliest: Group | undefined
  #latest: Group | undefined

  constructor(parent: Node | undefined, segment: string) {
    this.#parent = parent
    this.#segment = segment
  }

  longestPrefix(path: string): Group | undefined {
    if (path.charCodeAt(0) !== slash) return undefined
    let node: Node = this
    let longest = this.#earliest
    let start = 1
    while (node.#children !== undefined) {
      const end = segmentEnd(path, start)
      const child = node.#children.get(path.slice(start, end))
      if (child === undefined) break
      node = child
      longest = child.#earliest ?? longest
      if (path.charCodeAt(end) !== slash) break
      start = end + 1
    }
    return longest
  }

  /** The node of a valid prefix below this one, made where it's missing. */
  descend(pathPrefix: string): Node {
    let node: Node = this
    for (let start = 1; start < pathPrefix.length; ) {
      const end = segmentEnd(pathPrefix, start)
      const parent: Node = node
      const segment = pathPrefix.slice(start, end)
      parent.#children ??= new Map()
      node = getOrInsert(parent.#children, segment, () => new Node(parent, segment))
      start = end + 1
    }
    return node
  }

  claim(api: string, pathPrefix: string): Group {
    const group = new Group(api, pathPrefix, this)
    group.earlier = this.#latest
    if (this.#latest === undefined) this.#earliest = group
    else this.#latest.later = group
    this.#latest = group
    return group
  }

  disclaim(group: Group): void {
    if (group.earlier === undefined) this.#earliest = group.later
    else group.earlier.later = group.later
    if (group.later === undefined) this.#latest = group.earlier
    else group.later.earlier = group.earlier
    this.#prune()
  }

  #prune(): void {
    let node: Node = this
    while (node.#parent !== undefined && node.#earliest === undefined && node.#children === undefined) {
      const parent: Node = node.#parent
      parent.#children?.delete(node.#segment)
      if (parent.#children?.size === 0) parent.#children = undefined
      node = parent
    }
  }
}

const slash = 47
const questionMark = 63
const hash = 35
const maxPrefixLength = 1024

/** Where the segment ends: at a slash, query, fragment or the end; or where it's longer than any prefix can be. */
const segmentEnd = (path: string, start: number): number => {
  const limit = Math.min(path.length, start + maxPrefixLength)
  for (let i = start; i < limit; i++) {
    const code = path.charCodeAt(i)
    if (code === slash || code === questionMark || code === hash) return i
  }
  return limit
}

const getOrInsert = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const existing = map.get(key)
  if (existing !== undefined) return existing
  const value = make()
  map.set(key, value)
  return value
}

const isNonEmpty = <A>(values: ReadonlyArray<A>): values is NonEmptyReadonlyArray<A> => values.length > 0
