/**
 * The inspector's state as JSON. Secret headers are hidden unless they are asked for.
 *
 * @internal
 */
import type { Route } from "../../src/DiscoveryEntry.js"
import * as Owner from "../../src/discovery/Owner.js"
import * as Har from "../../src/internal/Har.js"
import * as ContentType from "../interception/ContentType.js"
import * as ReadableBody from "../interception/ReadableBody.js"
import * as Redaction from "../interception/Redaction.js"
import { callersOf, Edges, outside, traceOf } from "./CallGraph.js"
import type { StoredExchange } from "./ExchangeStore.js"
import type { BodyRecord, HeaderList, ProcessRecord } from "./InspectorProtocol.js"
import { type InspectorState, processName } from "./InspectorState.js"
import type {
  BodyView,
  CallView,
  ExchangeSummary,
  ExchangeView,
  MocksView,
  ProcessView,
  ServicesView,
  ServiceView,
  StatusView,
  TimelineView
} from "./Views.js"

export const status = (state: InspectorState): StatusView => ({
  gateway: state.gateway,
  connected: state.connected,
  problem: state.problem,
  leader: state.leader,
  exchanges: state.exchanges.size,
  missed: state.missed
})

export const services = (state: InspectorState): ServicesView => {
  const processes = new Map<string, ProcessView>()
  for (const process of state.processes.values()) {
    const runtimeId = process.runtimeId ?? state.leader?.runtimeId
    if (runtimeId !== undefined) processes.set(Owner.named(runtimeId), processView(process, runtimeId))
  }
  const groups = new Map<string, Array<Route>>()
  for (const route of state.routes) {
    const key = `${route.api}\n${route.pathPrefix}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [route])
    else group.push(route)
  }
  const now = state.now()
  const views = Array.from(groups.values(), (routes): ServiceView => {
    const [{ api, pathPrefix, strategy }] = routes as [Route]
    return {
      api,
      pathPrefix,
      strategy,
      instances: routes.map(({ baseUrl, owner, registeredAt }) => ({
        baseUrl,
        owner,
        process: processes.get(owner),
        registeredAt,
        health: state.healthOf(baseUrl).view(now)
      }))
    }
  })
  return {
    services: views.sort((one, other) => compare(one.api, other.api) || compare(one.pathPrefix, other.pathPrefix)),
    edges: edgesOf(state),
    processes: Array.from(state.processes.values(), (process) => processView(process, process.runtimeId))
  }
}

export const summary = ({ id, record, replayOf }: StoredExchange): ExchangeSummary => {
  const answerer = record.answerers.at(-1)
  return {
    id,
    startedAt: record.startedAt,
    durationMillis: record.durationMillis,
    method: record.method,
    target: record.target,
    status: record.status,
    api: answerer?.api,
    answeredBy: answerer?.kind,
    answerer: answerer?.name,
    failure: record.failure,
    size: record.responseBody.size,
    traceId: traceOf(record),
    replayOf
  }
}

export const exchange = (state: InspectorState, stored: StoredExchange, showSecrets: boolean): ExchangeView => {
  const { record } = stored
  const headers = (of: HeaderList) => (showSecrets ? of : Har.hideSecrets(of))
  return {
    ...summary(stored),
    url: urlOf(state, stored),
    httpVersion: record.httpVersion,
    client: record.client,
    waitMillis: record.waitMillis,
    requestHeaders: headers(record.requestHeaders),
    requestBody: bodyView(record.requestHeaders, record.requestBody),
    responseHeaders: headers(record.responseHeaders),
    responseBody: bodyView(record.responseHeaders, record.responseBody),
    answerers: record.answerers,
    caller: callers(state).get(record)
  }
}

/** Those after the one with the id. */
export const calls = (state: InspectorState, after = 0): ReadonlyArray<CallView> => {
  const nameOf = memoized((key) => processName(state, key))
  const targetOf = memoized((target) => targetName(state, target))
  return state.calls.read(0, Number.POSITIVE_INFINITY).items.flatMap((call) =>
    call.id <= after
      ? []
      : {
          id: call.id,
          kind: call.kind,
          name: call.name,
          from: nameOf(call.process),
          to: targetOf(call.target),
          startedAt: call.startedAt,
          durationMillis: call.durationMillis,
          outcome: call.outcome
        }
  )
}

export const mocks = (state: InspectorState): MocksView => ({ installed: state.mocks, inForce: state.interceptors })

export const timeline = (state: InspectorState): ReadonlyArray<TimelineView> =>
  state.timeline.read(0, Number.POSITIVE_INFINITY).items

/** The ids of the exchanges that have the text in what they are shown with, headers and bodies included. */
export const search = (state: InspectorState, text: string): ReadonlyArray<number> => {
  const wanted = text.toLowerCase()
  const has = (part: string | undefined) => part?.toLowerCase().includes(wanted) === true
  const hasHeader = (headers: HeaderList) =>
    headers.some(([name, value]) => has(name) || (!Har.isSecret(name) && has(value)))
  const found: Array<number> = []
  for (const { id, record } of state.exchanges.all()) {
    const bodies = [
      [record.requestHeaders, record.requestBody],
      [record.responseHeaders, record.responseBody]
    ] as const
    if (
      has(`${record.method} ${record.target}`) ||
      has(String(record.status ?? "")) ||
      record.answerers.some(({ api, name }) => has(api) || has(name)) ||
      bodies.some(([headers, body]) => hasHeader(headers) || has(bodyView(headers, body).text))
    ) {
      found.push(id)
    }
  }
  return found
}

export const harEntry = (state: InspectorState, stored: StoredExchange, showSecrets: boolean): Har.HarEntry => {
  const { record } = stored
  const answerer = record.answerers.at(-1)
  const { exchange } = showSecrets ? Redaction.none : redaction
  return Har.toEntry(
    exchange({
      startedAt: record.startedAt,
      durationMillis: record.durationMillis ?? 0,
      waitMillis: record.waitMillis,
      request: {
        method: record.method,
        url: urlOf(state, stored),
        httpVersion: `HTTP/${record.httpVersion}`,
        headers: record.requestHeaders,
        body: harBody(record.requestHeaders, record.requestBody)
      },
      response:
        record.status === undefined
          ? undefined
          : {
              status: record.status,
              headers: record.responseHeaders,
              body: harBody(record.responseHeaders, record.responseBody)
            },
      failure: record.failure,
      comment: answerer === undefined ? undefined : `answered by ${answerer.kind} ${answerer.name}`
    })
  )
}

const redaction = Redaction.make()

/** Without its content encoding, as HAR wants it. */
const harBody = (headers: HeaderList, body: BodyRecord): Har.HarBody => {
  const bytes = bytesOf(body)
  const plain = ReadableBody.decompress(named(headers), bytes) ?? bytes
  const truncated = bytes.length < body.size
  return { bytes: plain, size: plain === bytes ? body.size : plain.length + (truncated ? 1 : 0) }
}

const named = (headers: HeaderList): Readonly<Record<string, string>> =>
  Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))

export const bytesOf = ({ base64, text }: BodyRecord): Buffer =>
  text === undefined ? Buffer.from(base64 ?? "", "base64") : Buffer.from(text, "utf8")

const urlOf = ({ gateway }: InspectorState, { record, replayOf }: StoredExchange): string => {
  const instance = replayOf === undefined ? undefined : record.answerers.at(-1)?.name
  return `${instance ?? gateway}${record.target.startsWith("/") ? record.target : `/${record.target}`}`
}

const bodyView = (headers: HeaderList, body: BodyRecord): BodyView => {
  const bytes = bytesOf(body)
  const truncated = bytes.length < body.size
  if (bytes.length === 0) return { size: body.size, truncated }
  const byName = named(headers)
  const contentType = ReadableBody.contentTypeOf(byName)
  const plain = ReadableBody.decompress(byName, bytes) ?? bytes
  const isText = body.text !== undefined || ["json", "form", "text"].includes(String(ContentType.kindOf(contentType)))
  const shown = plain.subarray(0, maxShownBytes)
  return {
    ...(isText ? { text: ContentType.textOf(contentType, shown) } : { base64: shown.toString("base64") }),
    size: body.size,
    truncated: truncated || shown.length < plain.length
  }
}

/** More than is recorded of a body, and less than one that is compressed may expand to. */
const maxShownBytes = 1024 * 1024

const processView = ({ host, pid, program }: ProcessRecord, runtimeId: string | undefined): ProcessView => ({
  runtimeId,
  pid,
  host,
  program
})

const targetName = (state: InspectorState, target: string): string => {
  if (target === state.gateway) return "the leader"
  const owner = Owner.named(target)
  const apis = new Set(
    state.routes.filter((route) => route.owner === owner || route.baseUrl === target).map(({ api }) => api)
  )
  return apis.size > 0 ? [...apis].join(", ") : target
}

const callers = (state: InspectorState) =>
  callersOf(
    Array.from(state.exchanges.all(), ({ record }) => ({ record, to: record.answerers.at(-1)?.api ?? "the gateway" }))
  )

const edgesOf = (state: InspectorState) => {
  const edges = new Edges()
  const known = callers(state)
  for (const { record } of state.exchanges.all()) {
    const to = record.answerers.at(-1)?.api
    if (to === undefined || record.durationMillis === undefined) continue
    edges.add(known.get(record) ?? outside, to, "HTTP", record.failure !== undefined || (record.status ?? 0) >= 500)
  }
  for (const { from, outcome, to } of calls(state)) edges.add(from, to, "IPC", outcome !== "success")
  return edges.view
}

const memoized = (f: (key: string) => string): ((key: string) => string) => {
  const known = new Map<string, string>()
  return (key) => {
    const value = known.get(key) ?? f(key)
    known.set(key, value)
    return value
  }
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)
