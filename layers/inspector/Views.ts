/**
 * The inspector's JSON, as its page and other programs read it below `/api/`. Times are in milliseconds since 1970,
 * durations in milliseconds.
 *
 * @internal
 */
import type { AnswererRecord, HeaderList, InterceptorsRecord, MockSpec } from "./InspectorProtocol.js"

export interface StatusView {
  /** The gateway's URL. */
  readonly gateway: string
  readonly connected: boolean
  /** Why not, or what can't be shown. */
  readonly problem?: string | undefined
  readonly leader?: LeaderView | undefined
  /** How many exchanges are kept. */
  readonly exchanges: number
  /** How many events the gateway dropped before they could be sent. */
  readonly missed: number
}

export interface LeaderView {
  /** `bin` is a standalone gateway, `embedded` a participant that leads. */
  readonly kind: string
  readonly runtimeId?: string | undefined
}

export interface HealthView {
  readonly answers: number
  /** Of those, which had a 5xx or none. */
  readonly failures: number
  readonly inFlight: number
  /** Over the last ten seconds. */
  readonly ratePerSecond: number
  /** Over the last minute. */
  readonly p50?: number | undefined
  readonly p99?: number | undefined
  /** The last answers, oldest first: their statuses, 0 for none. */
  readonly last: ReadonlyArray<number>
  readonly lastAt?: number | undefined
}

export interface ProcessView {
  readonly runtimeId?: string | undefined
  readonly pid: number
  readonly host: string
  readonly program: string
}

export interface InstanceView {
  readonly baseUrl: string
  readonly owner: string
  readonly process?: ProcessView | undefined
  readonly registeredAt: number
  readonly health: HealthView
}

export interface ServiceView {
  readonly api: string
  readonly pathPrefix: string
  readonly strategy: string
  readonly instances: ReadonlyArray<InstanceView>
}

/** Who calls whom, as far as it was seen. */
export interface EdgeView {
  readonly from: string
  readonly to: string
  readonly over: "HTTP" | "IPC"
  readonly count: number
  readonly failures: number
}

export interface ServicesView {
  readonly services: ReadonlyArray<ServiceView>
  readonly edges: ReadonlyArray<EdgeView>
  readonly processes: ReadonlyArray<ProcessView>
}

export interface ExchangeSummary {
  readonly id: number
  readonly startedAt: number
  /** None while it is under way. */
  readonly durationMillis?: number | undefined
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly status?: number | undefined
  readonly api?: string | undefined
  /** `upstream`, `route`, `mock`, …; none where nothing took it. */
  readonly answeredBy?: string | undefined
  /** The instance's base URL, the route, the mock. */
  readonly answerer?: string | undefined
  readonly failure?: string | undefined
  /** Of the response's body, in bytes. */
  readonly size: number
  readonly traceId?: string | undefined
  /** The exchange that this one repeats. */
  readonly replayOf?: number | undefined
}

/** Text where it is text, after decompression; else base64. */
export interface BodyView {
  readonly text?: string | undefined
  readonly base64?: string | undefined
  /** As it was sent, in bytes. */
  readonly size: number
  /** Whether only its beginning is here. */
  readonly truncated: boolean
}

export interface ExchangeView extends ExchangeSummary {
  readonly url: string
  readonly httpVersion: string
  readonly client: string
  readonly waitMillis?: number | undefined
  readonly requestHeaders: HeaderList
  readonly requestBody: BodyView
  readonly responseHeaders: HeaderList
  readonly responseBody: BodyView
  readonly answerers: ReadonlyArray<AnswererRecord>
  /** The api whose instance made the request, as its trace tells. */
  readonly caller?: string | undefined
}

export interface CallView {
  readonly id: number
  readonly kind: "request" | "stream"
  readonly name: string
  readonly from: string
  readonly to: string
  readonly startedAt: number
  readonly durationMillis: number
  readonly outcome: string
}

export interface MocksView {
  /** The inspector's own. */
  readonly installed: ReadonlyArray<MockSpec>
  /** Every interceptor of the gateway, newest first. */
  readonly inForce: InterceptorsRecord["interceptors"]
}

export interface TimelineView {
  readonly id: number
  readonly at: number
  readonly kind: "leader" | "lost" | "joined" | "left" | "registered" | "unregistered"
  readonly text: string
}

/** One line of `/api/events`. */
export interface EventsView {
  readonly status: StatusView
  readonly exchanges: ReadonlyArray<ExchangeSummary>
  /** Whether all exchanges that were sent before are to be forgotten. */
  readonly reset?: boolean
}
