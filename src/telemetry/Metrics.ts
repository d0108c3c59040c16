/**
 * What the library counts and measures, in the names, units and buckets of OpenTelemetry's conventions; what has no
 * conventional name is `effect_ipc.*`. The metrics are Effect's: whatever exports those exports them.
 *
 * @internal
 */
import type { Role } from "../LeaderElection.js"
import type { LabeledMetric, Series } from "./LabeledMetric.js"
import { counter, durations, maxSeries, upDownCounter } from "./LabeledMetric.js"
import { rpcSystem } from "./Tracing.js"

/** How long the calls of one method take, by outcome. */
export class MethodDurations {
  calls = 0
  failures = 0
  /** Of all calls together. */
  seconds = 0
  lastError = ""
  private succeeded: Series | undefined
  private failed: Map<string, Series> | undefined

  constructor(
    private readonly metric: LabeledMetric,
    private readonly method: string
  ) {}

  /** `errorType` is undefined where the call succeeded. */
  record(seconds: number, errorType: string | undefined): void {
    this.calls++
    this.seconds += seconds
    if (errorType === undefined) {
      this.succeeded ??= this.seriesOf(undefined)
      return this.succeeded(seconds)
    }
    this.failures++
    this.lastError = errorType
    let series = this.failed?.get(errorType)
    if (series === undefined) {
      series = this.seriesOf(errorType)
      this.failed ??= new Map()
      if (this.failed.size < maxErrorTypes) this.failed.set(errorType, series)
    }
    series(seconds)
  }

  private seriesOf(errorType: string | undefined): Series {
    const { method } = this
    return this.metric.of(JSON.stringify([method, errorType]), () => ({
      "rpc.system.name": rpcSystem,
      "rpc.method": method,
      "error.type": errorType
    }))
  }
}

/** How long a handler takes for a request of one name. */
export const serverDurations = (method: string): MethodDurations => new MethodDurations(serverCalls, method)

/** How long the requests of one name take. */
export const clientDurations = (method: string): MethodDurations => {
  const known = byMethod.get(method)
  if (known !== undefined) return known
  const durations = new MethodDurations(clientCalls, method)
  if (byMethod.size < maxSeries) byMethod.set(method, durations)
  return durations
}

const byMethod = new Map<string, MethodDurations>()

const maxErrorTypes = 100

const clientCalls = durations("rpc.client.call.duration", "How long requests to a peer take.")
const serverCalls = durations("rpc.server.call.duration", "How long requests of a peer take to be answered.")

/** Requests to the gateway: by method, route and status. */
export const httpServerDurations = durations("http.server.request.duration", "How long requests to the gateway take.")

/** Requests of the gateway: by method, upstream, route and status. */
export const httpClientDurations = durations(
  "http.client.request.duration",
  "How long requests of the gateway to upstreams take."
)

export const httpActive = upDownCounter(
  "http.server.active_requests",
  "Requests to the gateway that are in progress.",
  "{request}"
)

const gauge = (name: string, description: string, unit: string): Series =>
  upDownCounter(name, description, unit).of("", () => ({}))

export const activeCalls = gauge("effect_ipc.server.active_requests", "Handlers that are running.", "{request}")
export const pendingCalls = gauge(
  "effect_ipc.client.active_requests",
  "Requests that wait for a response.",
  "{request}"
)
export const queuedCalls = gauge("effect_ipc.server.queued_requests", "Requests that wait for a handler.", "{request}")
export const memory = gauge("effect_ipc.memory.usage", "Memory held for peers.", "By")
export const routes = gauge("effect_ipc.routes", "Registered routes, where this process leads.", "{route}")

type Side = "client" | "server"

const bySide = (name: string, description: string, unit: string) => {
  const metric = upDownCounter(name, description, unit)
  const of = (side: Side) => metric.of(side, () => ({ "effect_ipc.side": side }))
  return { client: of("client"), server: of("server") }
}

/** Those that this process has opened, and those that it has accepted. */
export const connections = bySide("effect_ipc.connections", "Open IPC connections.", "{connection}")
export const streams = bySide("effect_ipc.streams", "Open streams.", "{stream}")

const roles = upDownCounter(
  "effect_ipc.election.participants",
  "Participants of this process, by role.",
  "{participant}"
)
const roleChanges = counter("effect_ipc.election.role_changes", "Changes of role.", "{change}")

/** A participant has another role; before its first and after its last it has none. */
export const onRoleChange = (before: Role | undefined, after: Role | undefined): void => {
  const labelsOf = (role: Role) => () => ({ "effect_ipc.role": role })
  if (before === after) return
  if (before !== undefined) roles.of(before, labelsOf(before))(-1)
  if (after === undefined) return
  roles.of(after, labelsOf(after))(1)
  roleChanges.of(after, labelsOf(after))(1)
}
