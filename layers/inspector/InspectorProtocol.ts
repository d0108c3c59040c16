/**
 * What the inspector gets of a gateway and of the processes around it: streams between two of ours.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { IPCClient } from "../../src/IPCClient.js"
import { IPCRequest } from "../../src/IPCRequest.js"
import { IPCServer } from "../../src/IPCServer.js"

/** A body as far as it was recorded. */
export interface BodyRecord {
  /** Where it is UTF-8; else `base64`. */
  readonly text?: string
  readonly base64?: string
  /** Of what was sent, in bytes. */
  readonly size: number
}

/** What answered, as the gateway's `Answerer` has it. */
export interface AnswererRecord {
  readonly kind: string
  readonly name: string
  readonly api?: string | undefined
  readonly stripPrefix?: string | undefined
}

export type HeaderList = ReadonlyArray<readonly [name: string, value: string]>

export interface ExchangeRecord {
  readonly _tag: "Exchange"
  /** Of this gateway's recording. A record of an exchange that is under way is followed by another once it has ended. */
  readonly number: number
  /** In milliseconds since 1970. */
  readonly startedAt: number
  /** None while it is under way. */
  readonly durationMillis?: number | undefined
  /** From the start until the response's head, in milliseconds. */
  readonly waitMillis?: number | undefined
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly httpVersion: string
  /** The client's address and port. */
  readonly client: string
  readonly requestHeaders: HeaderList
  readonly requestBody: BodyRecord
  readonly status?: number | undefined
  readonly responseHeaders: HeaderList
  readonly responseBody: BodyRecord
  /** Each that began to answer; the last one did. */
  readonly answerers: ReadonlyArray<AnswererRecord>
  readonly failure?: string | undefined
}

export interface ProcessRecord {
  readonly _tag: "Process"
  /** Told from those of all other processes. */
  readonly key: string
  /** The participant that told it; none of the gateway's own process. */
  readonly runtimeId?: string | undefined
  readonly pid: number
  readonly host: string
  /** The program that it runs. */
  readonly program: string
  /** In milliseconds since 1970. */
  readonly startedAt: number
}

export interface CallRecord {
  readonly _tag: "Call"
  /** The `key` of the process that made it. */
  readonly process: string
  readonly kind: "request" | "stream"
  readonly name: string
  readonly target: string
  readonly startedAt: number
  readonly durationMillis: number
  readonly outcome: string
}

export interface ClientRecord {
  readonly _tag: "Connected" | "Disconnected"
  readonly clientId: string
  readonly runtimeId?: string | undefined
  /** In milliseconds since 1970. */
  readonly at: number
}

export interface InterceptorsRecord {
  readonly _tag: "Interceptors"
  /** Newest first. */
  readonly interceptors: ReadonlyArray<{
    readonly kind: string
    readonly name: string
    readonly calls: number
    readonly times?: number | undefined
  }>
}

/** Exchanges that weren't recorded, since there were too many in a short time. */
export interface SkippedRecord {
  readonly _tag: "Skipped"
  readonly count: number
}

/** An exchange on the wire: headers are names and values in turn, which costs the gateway least. */
export interface FlatExchange extends Omit<ExchangeRecord, "requestHeaders" | "responseHeaders"> {
  readonly requestHeaders: ReadonlyArray<string>
  readonly responseHeaders: ReadonlyArray<string>
}

export type SentEvent = Exclude<FeedEvent, ExchangeRecord> | FlatExchange

export type FeedEvent = ExchangeRecord | SkippedRecord | ProcessRecord | CallRecord | ClientRecord | InterceptorsRecord

/** Some of what happened, in order. */
export interface FeedPage {
  /** Names the recording, of which `ExchangeRecord.number` counts the exchanges. */
  readonly recording: string
  readonly events: ReadonlyArray<FeedEvent>
  /** How many events wait already to be sent after these. */
  readonly behind: number
  /** How many were dropped before they could be sent. */
  readonly missed: number
}

/** A mock that a watcher installs: it is gone with the stream. */
export interface MockSpec {
  readonly id: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
  readonly headers: HeaderList
  readonly body: string
}

/**
 * The recorded events of a gateway, earlier ones that it keeps included, in pages of JSON. The input is the watcher's mocks;
 * each element is the whole list.
 */
export const Watch = IPCServer.defineStream("inspector/watch", {
  element: IPCRequest.Bytes,
  input: Schema.Unknown
})

/** A process's own description, then the requests and streams that it makes. */
export interface ReportPage {
  readonly process: Omit<ProcessRecord, "_tag" | "runtimeId">
  readonly calls: ReadonlyArray<Omit<CallRecord, "_tag" | "process">>
  readonly missed: number
}

export const Report = IPCClient.defineStream<void, ReportPage>("inspector/report")

/** Whether a request or stream is the inspector's own, which isn't shown. */
export const isOwn = (name: string): boolean => name.startsWith("inspector/")
