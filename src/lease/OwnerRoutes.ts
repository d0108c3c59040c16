/**
 * The routes that the bucket's records make: each owner's entries, for as long as the owner renews its own record.
 *
 * | key | value |
 * | --- | --- |
 * | `owner.NAME` | the owner's run (one life of its process), how often it renews this record, and the strategies that it has set |
 * | `entry.NAME.NUMBER` | one entry, and the run in which it was registered |
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Entry, RouteChange } from "../DiscoveryEntry.js"
import { validateAny } from "../DiscoveryEntry.js"
import { keyOf } from "../discovery/EntryKey.js"
import type { RouteTable } from "../discovery/RouteTable.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import type * as Bucket from "./Bucket.js"
import * as BucketKey from "./BucketKey.js"

export const OwnerRecord = Schema.parseJson(
  Schema.Struct({
    run: Schema.String,
    /** In milliseconds. */
    every: Schema.Positive,
    strategies: Schema.optional(Schema.Record({ key: Schema.String, value: RoutingStrategy.RoutingStrategyName }))
  })
)

export const EntryRecord = Schema.parseJson(Schema.Struct({ run: Schema.String, entry: Schema.Unknown }))

export const ownerKey = (name: string): string => `owner.${BucketKey.toToken(name)}`
export const entryKey = (name: string, number: number): string => `entry.${BucketKey.toToken(name)}.${number}`

export interface Owner {
  readonly name: string
  /** None where its record is missing, or was taken for abandoned. */
  record: typeof OwnerRecord.Type | undefined
  /** By key of the bucket. */
  readonly entries: Map<string, { readonly run: string; readonly entry: Entry }>
  /** What of them is routed. */
  routed: Map<string, Entry>
}

export class OwnerRoutes {
  readonly owners = new Map<string, Owner>()

  constructor(
    private readonly table: RouteTable,
    private readonly maxEntries: number,
    private readonly publish: (changes: ReadonlyArray<RouteChange>) => void
  ) {}

  /** Takes a write of the bucket; the owner that it is about, if it is about any. */
  take({ key, value }: Bucket.Entry): Owner | undefined {
    const [kind, token, number] = key.split(".")
    const name = token === undefined ? undefined : BucketKey.fromToken(token)
    if (name === undefined || (kind !== "owner" && kind !== "entry")) return undefined
    const owner = this.owners.get(name) ?? { name, record: undefined, entries: new Map(), routed: new Map() }
    if (kind === "owner" && number === undefined) {
      const before = owner.record
      owner.record = value === undefined ? undefined : Either.getOrUndefined(decodeOwner(value))
      this.setStrategies(owner, before)
    } else if (kind === "entry" && number !== undefined) {
      const entry = value === undefined ? undefined : this.entryOf(value)
      if (entry !== undefined && this.add(owner, key, entry)) return owner
      if (entry === undefined) owner.entries.delete(key)
      else if (owner.entries.has(key) || this.table.size() < this.maxEntries) owner.entries.set(key, entry)
    }
    if (owner.record === undefined && owner.entries.size === 0) this.owners.delete(name)
    else this.owners.set(name, owner)
    this.route(owner)
    return owner
  }

  /** Its routes go, until its record is written again. */
  abandon(owner: Owner): void {
    owner.record = undefined
    this.route(owner)
  }

  /**
   * Abandons the owners that have been silent for too long, by how long each has been; `undefined` for one that isn't judged.
   * Returns whether there was any.
   */
  abandonSilent(silentFor: (owner: Owner) => number | undefined, maxInterval: number): boolean {
    let isAny = false
    for (const owner of this.owners.values()) {
      if (owner.record === undefined) continue
      const silent = silentFor(owner)
      if (silent === undefined || silent < silenceOf(owner.record, maxInterval)) continue
      this.abandon(owner)
      isAny = true
    }
    return isAny
  }

  /** Adds a routed entry to those that there are; whether it was such a one. */
  private add(owner: Owner, key: string, held: { readonly run: string; readonly entry: Entry }): boolean {
    if (owner.entries.has(key) || held.run !== owner.record?.run || this.table.size() >= this.maxEntries) return false
    owner.entries.set(key, held)
    const routeKey = keyOf(held.entry)
    if (owner.routed.has(routeKey)) return true
    owner.routed.set(routeKey, held.entry)
    this.publish(this.table.register(owner.name, [held.entry]))
    return true
  }

  private entryOf(value: string) {
    const record = Either.getOrUndefined(decodeEntry(value))
    if (record === undefined) return undefined
    const entry = Either.getOrUndefined(validateAny(record.entry))
    return entry === undefined ? undefined : { run: record.run, entry }
  }

  private setStrategies({ record }: Owner, before: Owner["record"]): void {
    for (const [api, name] of Object.entries(record?.strategies ?? {})) {
      if (before?.strategies?.[api] !== name) this.table.setStrategy(api, RoutingStrategy.fromName(name))
    }
  }

  private route(owner: Owner): void {
    const { run } = owner.record ?? {}
    const routed = new Map<string, Entry>()
    for (const held of owner.entries.values()) if (held.run === run) routed.set(keyOf(held.entry), held.entry)
    const gone = Array.from(owner.routed).flatMap(([key, entry]) => (routed.has(key) ? [] : [entry]))
    owner.routed = routed
    this.publish([...this.table.unregister(owner.name, gone), ...this.table.register(owner.name, routed.values())])
  }
}

const decodeOwner = Schema.decodeUnknownEither(OwnerRecord)
const decodeEntry = Schema.decodeUnknownEither(EntryRecord)

/** How long an owner may be silent, in milliseconds: three of its intervals, none of which counts for more than the bound. */
export const silenceOf = (record: typeof OwnerRecord.Type, maxInterval: number): number =>
  3 * Math.min(record.every, maxInterval)
