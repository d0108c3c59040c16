/**
 * What an inspector knows: kept while leaders come and go, bounded in bytes.
 *
 * @internal
 */
import type { Route, RouteChange } from "../../src/DiscoveryEntry.js"
import * as Owner from "../../src/discovery/Owner.js"
import { Waiters } from "../../src/internal/Waiters.js"
import { EventLog } from "./EventLog.js"
import { ExchangeStore, type StoredExchange } from "./ExchangeStore.js"
import { Health } from "./Health.js"
import type {
  CallRecord,
  ClientRecord,
  ExchangeRecord,
  FeedEvent,
  FeedPage,
  InterceptorsRecord,
  MockSpec,
  ProcessRecord
} from "./InspectorProtocol.js"
import type { LeaderView, TimelineView } from "./Views.js"

export interface StateOptions {
  readonly gateway: string
  /** How many exchanges are kept. */
  readonly maxExchanges: number
  /** What the exchanges that are kept may take, in bytes. */
  readonly maxBytes: number
  /** In milliseconds since 1970. */
  readonly now: () => number
}

export class InspectorState {
  readonly gateway: string
  readonly now: () => number
  readonly exchanges: ExchangeStore
  readonly calls = new EventLog<CallRecord & { readonly id: number }>(maxCalls, maxCallBytes)
  readonly timeline = new EventLog<TimelineView>(maxTimeline, maxCallBytes)
  /** By the participant's runtimeId; of the gateway's own process by its key. */
  readonly processes = new Map<string, ProcessRecord>()
  /** Announced with every change. */
  readonly changed = new Waiters()
  interceptors: InterceptorsRecord["interceptors"] = []
  mocks: ReadonlyArray<MockSpec> = []
  leader: LeaderView | undefined
  connected = false
  /** Why it isn't connected, or can't show all; none before the first attempt. */
  problem: string | undefined
  missed = 0
  /** Counts how often everything was forgotten. */
  clears = 0
  readonly #health = new Map<string, Health>()
  #routes: () => ReadonlyArray<Route> = () => []
  #lastId = 0

  constructor({ gateway, maxBytes, maxExchanges, now }: StateOptions) {
    this.gateway = gateway
    this.now = now
    this.exchanges = new ExchangeStore(maxExchanges, maxBytes, (dropped) => this.#forget(dropped))
  }

  get routes(): ReadonlyArray<Route> {
    return this.#routes()
  }

  /** Where the routes are kept current. */
  useRoutes(routes: () => ReadonlyArray<Route>): void {
    this.#routes = routes
  }

  healthOf(baseUrl: string): Health {
    const known = this.#health.get(baseUrl)
    if (known !== undefined) return known
    if (this.#health.size >= maxInstances) {
      const present = new Set(this.routes.map((route) => route.baseUrl))
      for (const other of this.#health.keys()) if (!present.has(other)) this.#health.delete(other)
    }
    const health = new Health()
    if (this.#health.size < maxInstances) this.#health.set(baseUrl, health)
    return health
  }

  onConnected(leader: LeaderView): void {
    const before = this.leader
    this.leader = leader
    this.connected = true
    this.problem = undefined
    this.processes.clear()
    const name = leader.runtimeId === undefined ? "" : ` ${leader.runtimeId}`
    const what =
      leader.kind === "bin"
        ? `the standalone gateway${name}`
        : leader.kind === "embedded"
          ? `${name.trim()}`
          : "a server without election"
    const again = before !== undefined && before.runtimeId === leader.runtimeId && before.kind === leader.kind
    this.#note("leader", again ? `connected again to ${what}` : `${what} leads`)
    this.changed.announce()
  }

  onDisconnected(problem: string): void {
    if (this.connected) this.#note("lost", problem)
    this.connected = false
    this.problem = problem
    this.interceptors = []
    // What was under way at this leader won't be reported again.
    for (const stored of this.exchanges.all()) {
      if (stored.record.durationMillis === undefined)
        this.#health.get(instanceOf(stored.record) ?? "")?.forget(stored.id)
    }
    this.changed.announce()
  }

  onRouteChange({ _tag, route }: RouteChange): void {
    const kind = _tag === "Registered" ? "registered" : "unregistered"
    this.#note(
      kind,
      `${route.api} at ${route.baseUrl}${route.pathPrefix === "" ? " by its name" : ` below ${route.pathPrefix}`}`
    )
    this.changed.announce()
  }

  onPage({ events, missed, recording }: FeedPage): void {
    this.missed += missed
    for (const event of events) this.#onEvent(recording, event)
    this.changed.announce()
  }

  /** An exchange that the inspector has made itself. */
  onReplay(key: string, record: ExchangeRecord, replayOf: number): StoredExchange {
    const stored = this.#onExchange(`replay:${key}`, record, replayOf)
    this.changed.announce()
    return stored
  }

  clear(): void {
    this.exchanges.clear()
    this.#health.clear()
    this.missed = 0
    this.clears++
    this.changed.announce()
  }

  #onEvent(recording: string, event: FeedEvent): void {
    switch (event._tag) {
      case "Exchange":
        this.#onExchange(`${recording}:${event.number}`, event)
        return
      case "Skipped":
        this.missed += event.count
        return
      case "Call":
        this.calls.push({ ...event, id: ++this.#lastId }, 300 + event.name.length + event.target.length)
        return
      case "Process":
        if (event.runtimeId?.startsWith(inspectorName) === true) return
        if (this.processes.size < maxInstances) this.processes.set(event.runtimeId ?? event.key, event)
        return
      case "Interceptors":
        this.interceptors = event.interceptors
        return
      default:
        this.#onClient(event)
    }
  }

  #onExchange(key: string, record: ExchangeRecord, replayOf?: number): StoredExchange {
    const { stored } = this.exchanges.put(key, record, replayOf)
    const instance = instanceOf(record)
    if (instance === undefined || stored.record !== record) return stored
    const health = this.healthOf(instance)
    const { durationMillis, failure, startedAt, status = 0 } = record
    if (durationMillis === undefined) health.begin(stored.id)
    else
      health.end(stored.id, {
        at: startedAt + durationMillis,
        durationMillis,
        status: failure === undefined ? status : 0
      })
    return stored
  }

  #onClient({ _tag, at, clientId, runtimeId }: ClientRecord): void {
    if (runtimeId?.startsWith(inspectorName) === true) return
    this.#note(_tag === "Connected" ? "joined" : "left", runtimeId ?? clientId, at)
    if (_tag === "Disconnected" && runtimeId !== undefined) this.processes.delete(runtimeId)
  }

  #forget({ id, record }: StoredExchange): void {
    if (record.durationMillis === undefined) this.#health.get(instanceOf(record) ?? "")?.forget(id)
  }

  #note(kind: TimelineView["kind"], text: string, at: number = this.now()): void {
    this.timeline.push({ id: ++this.#lastId, at, kind, text }, 100 + text.length * 2)
  }
}

/** How an inspector's runtimeId begins. */
export const inspectorName = "inspector-"

/** The instance that answered the exchange, where one did. */
export const instanceOf = ({ answerers }: ExchangeRecord): string | undefined => {
  const last = answerers.at(-1)
  return last?.kind === "upstream" ? last.name : undefined
}

/** What to call the process that made a request: its apis, or its program. */
export const processName = (state: InspectorState, key: string): string => {
  const own = [...state.processes.values()].filter((process) => process.key === key)
  const owners = new Set(own.flatMap(({ runtimeId }) => (runtimeId === undefined ? [] : [Owner.named(runtimeId)])))
  if (state.leader?.runtimeId !== undefined && own.some(({ runtimeId }) => runtimeId === undefined)) {
    owners.add(Owner.named(state.leader.runtimeId))
  }
  const apis = new Set(state.routes.filter(({ owner }) => owners.has(owner)).map(({ api }) => api))
  if (apis.size > 0) return [...apis].join(", ")
  const [process] = own
  if (process === undefined) return "a process that has gone"
  const names = own.flatMap(({ runtimeId }) => runtimeId ?? [])
  return names.length > 0 ? names.join(", ") : `${process.program} (${process.pid})`
}

const maxCalls = 10_000
const maxCallBytes = 8 * 1024 * 1024
const maxTimeline = 2000
const maxInstances = 5000
