/**
 * The live instances of an api, as a route table keeps them: together, and by path prefix.
 *
 * @internal
 */
import type { RouteKind } from "../DiscoveryEntry.js"
import type * as RoutingStrategy from "../RoutingStrategy.js"
import type { Claim, PrefixTree } from "./PrefixTree.js"

/**
 * One owner's registration of one instance.
 */
export interface Registration {
  /** Grows from registration to registration. */
  readonly id: number
  readonly owner: string
  readonly instance: LiveInstance
  readonly registeredAt: number
}

/**
 * An api that has instances.
 */
export class Api {
  readonly name: string
  /** By path prefix; none is empty. */
  readonly groups = new Map<string, InstanceGroup>()
  /** Chooses among all instances, whatever their prefix. Made at the first choice. */
  pick: RoutingStrategy.Pick | undefined = undefined

  constructor(name: string) {
    this.name = name
  }

  /** Those that answer HTTP, in the order of registration. */
  instances(): ReadonlyArray<LiveInstance> {
    return this.all().filter((instance) => instance.kind === "http")
  }

  /** In the order of registration. */
  all(): ReadonlyArray<LiveInstance> {
    return Array.from(this.groups.values(), (group) => group.live())
      .flat()
      .sort((one, other) => one.id - other.id)
  }

  get hasHttp(): boolean {
    return this.groups.size > (this.groups.has(endpointPrefix) ? 1 : 0)
  }
}

/** What endpoints have in place of a path prefix. */
const endpointPrefix = ""

/**
 * The instances of one api below one prefix, or its endpoints. It exists as long as it has any.
 */
export class InstanceGroup {
  readonly api: Api
  readonly pathPrefix: string
  /** None for endpoints: no request's path leads to them. */
  readonly claim: Claim<InstanceGroup> | undefined
  /** By base URL, and in ascending order of id. */
  readonly instances = new Map<string, LiveInstance>()
  /** Made at the first choice. */
  pick: RoutingStrategy.Pick | undefined = undefined
  #live: ReadonlyArray<LiveInstance> | undefined = undefined

  constructor(api: Api, pathPrefix: string, tree: PrefixTree<InstanceGroup>) {
    this.api = api
    this.pathPrefix = pathPrefix
    this.claim = pathPrefix === endpointPrefix ? undefined : tree.claim(pathPrefix, this)
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

export class LiveInstance implements RoutingStrategy.Instance {
  readonly id: number
  readonly api: string
  readonly pathPrefix: string
  readonly baseUrl: string
  readonly registeredAt: number
  /** Whether the prefix is taken off a request's path: as its first owner has registered it. */
  readonly stripsPrefix: boolean
  connections = 0
  // Private fields keep the rest of the table out of what a caller's strategy logs or compares.
  #group: InstanceGroup | undefined
  readonly #route: string
  readonly #registrations = new Map<string, Registration>()

  constructor(id: number, group: InstanceGroup, baseUrl: string, registeredAt: number, stripsPrefix: boolean) {
    this.id = id
    this.api = group.api.name
    this.pathPrefix = group.pathPrefix
    this.baseUrl = baseUrl
    this.registeredAt = registeredAt
    this.stripsPrefix = stripsPrefix
    this.#group = group
    this.#route = this.pathPrefix === "/" ? "/*" : `${this.pathPrefix}/*`
  }

  /** The template of the paths that it serves. */
  get route(): string {
    return this.#route
  }

  get kind(): RouteKind {
    return this.pathPrefix === endpointPrefix ? "ipc" : "http"
  }

  /** Whether participants of earlier versions know it. */
  get isPlain(): boolean {
    return this.kind === "http" && !this.stripsPrefix
  }

  /** None once its last owner has left. */
  get group(): InstanceGroup | undefined {
    return this.#group
  }

  isAmong(instances: Api | InstanceGroup): boolean {
    return this.#group === instances || this.#group?.api === instances
  }

  /** By owner. */
  get registrations(): Map<string, Registration> {
    return this.#registrations
  }

  leave(): void {
    this.#group?.remove(this)
    this.#group = undefined
  }
}
