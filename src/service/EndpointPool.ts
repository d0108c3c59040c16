/**
 * The endpoints of one service as one client of it knows them: which are registered, which can be reached, and the choice
 * among them.
 *
 * | event | what changes |
 * | --- | --- |
 * | it is registered | it may be chosen |
 * | it is unregistered | it isn't chosen; where it is connected, only after a grace: a new leader may not know it yet |
 * | it says that it is being withdrawn | it isn't chosen, and is disconnected once nothing is in flight |
 * | a connection fails or ends | it isn't chosen for a while, which grows with each failure in a row |
 * | an attempt to connect takes long | it isn't chosen until that is done |
 *
 * @internal
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import type { IPCSocket } from "../connection/IPCSocket.js"
import type { RouteChange } from "../DiscoveryEntry.js"
import { isEndpoint } from "../DiscoveryEntry.js"
import type { Deadlines, Expiring } from "../internal/Deadlines.js"
import { Waiters } from "../internal/Waiters.js"
import type * as RoutingStrategy from "../RoutingStrategy.js"
import { Endpoint } from "./Endpoint.js"

export interface PoolOptions {
  readonly api: string
  readonly deadlines: Deadlines
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  /** The strategy, by the name that the leader gives it. */
  readonly strategy: (name: string | undefined) => RoutingStrategy.RoutingStrategy
  readonly onFallback: (strategy: string, cause: unknown) => void
  readonly onDeclined: (strategy: string) => void
  /** Whether any endpoint is connected has changed. */
  readonly onConnected: (isConnected: boolean) => void
}

/** How long an endpoint that is connected may be unregistered, in milliseconds: longer than a new leader waits for owners. */
const graceMillis = 10_000

/** The pauses after failures in a row, in milliseconds. */
const pauses = [25, 50, 100, 200, 400, 800, 1000] as const

/** How long a connection has to last for its end to be the first failure of a row, in milliseconds. */
const lastingMillis = 1000

export class EndpointPool {
  /** Something has changed that requests may wait for. */
  readonly changes = new Waiters()
  private readonly endpoints = new Map<string, Endpoint>()
  private candidates: ReadonlyArray<Endpoint> = []
  private readonly sockets = new Set<IPCSocket<Endpoint>>()
  private latestId = 0
  private strategyName: string | undefined
  private strategy: RoutingStrategy.RoutingStrategy
  private pick: RoutingStrategy.Pick | undefined
  private isOver = false

  constructor(private readonly options: PoolOptions) {
    this.strategy = options.strategy(undefined)
  }

  /** Whether any endpoint is registered. */
  get isEmpty(): boolean {
    for (const { state } of this.endpoints.values()) if (state.owners.size > 0) return false
    return true
  }

  get hasCandidates(): boolean {
    return this.candidates.length > 0
  }

  /** By the strategy; none where nothing may be chosen, or the strategy declines. */
  choose(path: string): Endpoint | undefined {
    const { candidates, options, strategy } = this
    if (candidates.length === 0) return undefined
    let cause: unknown
    // A strategy is the caller's function: what it throws must not cost the request.
    try {
      this.pick ??= strategy.start(options)
      const picked: unknown = this.pick(candidates as NonEmptyReadonlyArray<Endpoint>, path)
      if (picked === undefined || picked === null) {
        options.onDeclined(strategy.name)
        return undefined
      }
      if (picked instanceof Endpoint && picked.state.mayBeChosen) return picked
      cause = new TypeError("It returned something that isn't one of the instances it was given.")
    } catch (error) {
      cause = error
    }
    options.onFallback(strategy.name, cause)
    return candidates[0]
  }

  onChange({ _tag, route }: RouteChange): void {
    if (!isEndpoint(route) || route.api !== this.options.api || this.isOver) return
    if (_tag === "Unregistered") return this.onUnregistered(route.baseUrl, route.owner)
    const known = this.endpoints.get(route.baseUrl)
    // One that is being withdrawn may be listed again, until the leader knows it.
    const isNew = known === undefined || (known.state.isWithdrawn && !known.state.owners.has(route.owner))
    const endpoint = isNew ? new Endpoint(++this.latestId, route.api, route.baseUrl, route.registeredAt) : known
    this.endpoints.set(route.baseUrl, endpoint)
    endpoint.state.owners.add(route.owner)
    this.endTimer(endpoint, "grace")
    if (route.strategy !== this.strategyName) this.restart(route.strategy)
    this.refresh()
  }

  /** Chooses by the present strategy from now on. */
  restart(strategyName = this.strategyName): void {
    const strategy = this.options.strategy(strategyName)
    this.strategyName = strategyName
    if (strategy !== this.strategy) this.pick = undefined
    this.strategy = strategy
  }

  onConnecting({ state }: Endpoint): void {
    state.isConnecting = true
  }

  /** The attempt to connect goes on, and others are preferred meanwhile. */
  onSlow({ state }: Endpoint): void {
    if (!state.isConnecting || state.isOpen) return
    state.isSlow = true
    this.refresh()
  }

  onConnected(endpoint: Endpoint, socket: IPCSocket<Endpoint>): void {
    const { state } = endpoint
    state.socket = socket
    state.openedAt = this.options.now()
    state.isConnecting = false
    state.isSlow = false
    if (this.sockets.add(socket).size === 1) this.options.onConnected(true)
    socket.onceClosed((event) => this.onClosed(endpoint, socket, event))
    if (state.isWithdrawn) this.disconnectIdle(endpoint)
    // It was unregistered while the connection was under way.
    if (state.owners.size === 0) this.startGrace(endpoint)
    this.refresh()
  }

  onConnectFailed(endpoint: Endpoint): void {
    endpoint.state.isConnecting = false
    endpoint.state.isSlow = false
    this.onFailure(endpoint)
  }

  /** It takes no further requests. */
  withdraw(endpoint: Endpoint): void {
    endpoint.state.isWithdrawn = true
    this.endTimer(endpoint, "grace")
    this.disconnectIdle(endpoint)
    this.refresh()
  }

  enter(endpoint: Endpoint): void {
    endpoint.connections++
  }

  leave(endpoint: Endpoint): void {
    endpoint.connections--
    if (endpoint.state.isWithdrawn) this.disconnectIdle(endpoint)
  }

  /** Closes every connection; returns their sockets. */
  close(event: CloseEvent): ReadonlyArray<IPCSocket<Endpoint>> {
    this.isOver = true
    this.endpoints.clear()
    this.candidates = []
    const sockets = Array.from(this.sockets)
    for (const socket of sockets) socket.startClosing(event)
    this.changes.announce()
    return sockets
  }

  private onUnregistered(baseUrl: string, owner: string): void {
    const endpoint = this.endpoints.get(baseUrl)
    if (endpoint === undefined || !endpoint.state.owners.delete(owner) || endpoint.state.owners.size > 0) return
    if (endpoint.state.isOpen) this.startGrace(endpoint)
    this.refresh()
  }

  private startGrace(endpoint: Endpoint): void {
    const { state } = endpoint
    if (state.isWithdrawn) return
    state.grace = this.startTimer(graceMillis, () => {
      state.grace = undefined
      this.withdraw(endpoint)
    })
  }

  private onClosed(endpoint: Endpoint, socket: IPCSocket<Endpoint>, { code }: CloseEvent): void {
    if (this.sockets.delete(socket) && this.sockets.size === 0) this.options.onConnected(false)
    const { state } = endpoint
    if (state.socket === socket) state.socket = undefined
    if (this.options.now() - state.openedAt >= lastingMillis && code !== CloseCode.Replaced) state.failures = 0
    this.endTimer(endpoint, "grace")
    this.onFailure(endpoint)
  }

  private onFailure(endpoint: Endpoint): void {
    const { state } = endpoint
    const millis = pauses[Math.min(state.failures++, pauses.length - 1)] as number
    this.endTimer(endpoint, "pause")
    state.pause = this.startTimer(millis, () => {
      state.pause = undefined
      this.refresh()
    })
    this.refresh()
  }

  private disconnectIdle({ connections, state }: Endpoint): void {
    if (connections === 0) state.socket?.startClosing({ code: CloseCode.Normal, reason: "the service is withdrawn" })
  }

  private startTimer(millis: number, onDeadline: () => void): Expiring {
    const timer: Expiring = { dueAt: 0, millis, onDeadline }
    this.options.deadlines.add(timer)
    return timer
  }

  private endTimer({ state }: Endpoint, which: "grace" | "pause"): void {
    const timer = state[which]
    state[which] = undefined
    if (timer !== undefined) this.options.deadlines.remove(timer)
  }

  private refresh(): void {
    for (const endpoint of this.endpoints.values()) {
      const { isConnecting, isOpen, owners } = endpoint.state
      if (owners.size > 0 || isOpen || isConnecting) continue
      this.endTimer(endpoint, "pause")
      this.endpoints.delete(endpoint.baseUrl)
    }
    // A caller's strategy gets this very array, and a sort in place would break every other choice.
    this.candidates = Object.freeze(Array.from(this.endpoints.values()).filter(({ state }) => state.mayBeChosen))
    this.changes.announce()
  }
}
