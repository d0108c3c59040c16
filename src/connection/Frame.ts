/**
 * The wire: text frames `type:id:path:data`, parsed and printed. Nothing here throws, whatever it is given.
 *
 * @internal
 */
import { messageOf } from "../internal/ErrorMessage.js"
import * as StackTraceLimit from "../internal/StackTraceLimit.js"

/**
 * A fire-and-forget message: `m::path:data`.
 */
export interface Message {
  readonly type: "m"
  readonly path: string
  readonly data: unknown
  /** What stands in the place of the id (TraceContext), between ends that agreed to `effect-ipc.2`. */
  readonly trace?: string
}

/**
 * A request: `r:id:path:data`. The id is the sender's own counter.
 */
export interface Request {
  readonly type: "r"
  readonly id: number
  readonly path: string
  readonly data: unknown
  /** What stands behind the id (TraceContext), between ends that agreed to `effect-ipc.2`. */
  readonly trace?: string
}

/**
 * The response to the request whose id it repeats: `s:id:path:{"success":…}`.
 */
export interface Response {
  readonly type: "s"
  readonly id: number
  readonly path: string
  /** {@link Success} or {@link Failure}, where the peer keeps to the protocol. */
  readonly data: unknown
}

/**
 * Asks the peer to interrupt the handler of the request with this id: `c:id::`. Only between peers that agreed to the
 * {@link subprotocol}.
 */
export interface Cancel {
  readonly type: "c"
  readonly id: number
}

/**
 * The first frame of each end: the limits on what the other may send.
 */
export interface Hello {
  readonly type: "v"
  readonly data: unknown
}

/**
 * Opens a stream: `q:id:path:payload`.
 */
export interface Open {
  readonly type: "q"
  readonly id: number
  readonly path: string
  readonly data: unknown
  readonly trace?: string
}

/**
 * Grants elements (`w`, by the caller), elements of the input (`g`, by the answerer), or requests (`k`).
 */
export interface Grant {
  readonly type: "w" | "g" | "k"
  /** 0 where it isn't a stream's. */
  readonly id: number
  readonly data: unknown
}

/**
 * Elements of a stream (`d`, by the answerer) or of its input (`i`, by the caller).
 */
export interface Elements {
  readonly type: "d" | "i"
  readonly id: number
  readonly data: unknown
  /** How long the data is, in UTF-16 units or in bytes. */
  readonly size: number
}

/**
 * A stream is accepted (`o`), its input ends (`j`), or no more input is wanted (`h`).
 */
export interface Mark {
  readonly type: "o" | "j" | "h"
  readonly id: number
}

/**
 * A stream ends, as a response does: `e:id::{"success":…}`.
 */
export interface End {
  readonly type: "e"
  readonly id: number
  readonly data: unknown
}

/**
 * The data of a response whose handler succeeded.
 */
export interface Success {
  readonly success: true
  readonly data?: unknown
}

/**
 * The data of a response whose handler failed. A plain peer reads `error` and ignores the rest.
 */
export interface Failure {
  readonly success: false
  readonly error: string
  /** Why, where the library and not the handler refused the request. */
  readonly reason?: "NoHandler" | "InvalidPayload"
  /** The `_tag` of the handler's failure. */
  readonly tag?: string
  /** The handler's failure, encoded by the request's failure Schema. */
  readonly failure?: unknown
}

/**
 * Whether a response's data has the shape that the protocol requires.
 */
export const isOutcome = (data: unknown): data is Success | Failure => {
  if (typeof data !== "object" || data === null) return false
  const outcome = data as { readonly success?: unknown; readonly error?: unknown }
  return outcome.success === true || (outcome.success === false && typeof outcome.error === "string")
}

export type Frame = Message | Request | Response | Cancel | Hello | Open | Grant | Elements | Mark | End

/**
 * What `parse` makes of a text that is no frame.
 */
export interface Malformed {
  readonly type: "malformed"
  readonly issue: string
}

/**
 * What `print` makes of data that JSON can't express: circular, too deep, or holding a `bigint`.
 */
export interface Unprintable {
  readonly type: "unprintable"
  readonly issue: string
}

/** @internal */
export const isPrinted = <Printed extends string | Uint8Array>(
  printed: Printed | { readonly issue: string }
): printed is Printed => typeof printed === "string" || printed instanceof Uint8Array

/**
 * The first character of a message's frame.
 */
export const typeMessage = 109

/**
 * The first character of a request's frame.
 */
export const typeRequest = 114

/**
 * The first character of a response's frame.
 */
export const typeResponse = 115

/**
 * The first character of a frame that opens a stream.
 */
export const typeOpen = 113

/**
 * The path of the WebSocket upgrade.
 */
export const upgradePath = "/__ipc"

/**
 * The path that older clients upgrade at; a server takes both.
 */
export const upgradePathAlias = "/__ggFrameworkConnection"

/**
 * The query parameter of the upgrade that names the client.
 */
export const runtimeIdParameter = "runtimeId"

/**
 * Reads one frame, of the types that both ends agreed to (Subprotocol).
 */
export const parse = (text: string, version: 0 | 1 | 2 = 1): Frame | Malformed => {
  if (text.charCodeAt(1) !== colon) return malformed("it isn't type:id:path:data")
  const idEnd = text.indexOf(":", 2)
  if (idEnd === -1) return malformed("it isn't type:id:path:data")
  const pathEnd = text.indexOf(":", idEnd + 1)
  if (pathEnd === -1) return malformed("it isn't type:id:path:data")
  const type = text.charCodeAt(0)
  switch (type) {
    case typeMessage: {
      if (idEnd !== 2 && !(version === 2 && text.charCodeAt(2) === semicolon)) return malformed("a message has no id")
      const data = parseData(text, pathEnd + 1)
      if (data === notJson) return malformed("its data isn't JSON")
      const path = text.slice(idEnd + 1, pathEnd)
      return idEnd === 2 ? { type: "m", path, data } : { type: "m", path, data, trace: text.slice(3, idEnd) }
    }
    case typeRequest: {
      const traceAt = version === 2 ? traceStart(text, idEnd) : -1
      const id = parseId(text, traceAt === -1 ? idEnd : traceAt)
      if (id === -1) return malformed(notAnId)
      const path = text.slice(idEnd + 1, pathEnd)
      const data = parseData(text, pathEnd + 1)
      if (data === notJson) return malformed("its data isn't JSON")
      return traceAt === -1
        ? { type: "r", id, path, data }
        : { type: "r", id, path, data, trace: text.slice(traceAt + 1, idEnd) }
    }
    case typeResponse: {
      const id = parseId(text, idEnd)
      if (id === -1) return malformed(notAnId)
      const data = parseData(text, pathEnd + 1)
      return data === notJson
        ? malformed("its data isn't JSON")
        : { type: "s", id, path: text.slice(idEnd + 1, pathEnd), data }
    }
    case typeCancel: {
      if (version === 0) break
      const id = parseId(text, idEnd)
      return id === -1 ? malformed(notAnId) : { type: "c", id }
    }
    default:
      if (version === 2) return parseStreaming(text, idEnd, pathEnd)
  }
  return malformed("its type is unknown")
}

/** The frames that only `effect-ipc.2` has. */
const parseStreaming = (text: string, idEnd: number, pathEnd: number): Frame | Malformed => {
  const type = text.charAt(0)
  const traceAt = type === "q" ? traceStart(text, idEnd) : -1
  const id = type === "v" || type === "k" ? 0 : parseId(text, traceAt === -1 ? idEnd : traceAt)
  if (id === -1) return malformed(notAnId)
  const data = parseData(text, pathEnd + 1)
  if (data === notJson) return malformed("its data isn't JSON")
  switch (type) {
    case "v":
      return { type, data }
    case "q": {
      const path = text.slice(idEnd + 1, pathEnd)
      return traceAt === -1 ? { type, id, path, data } : { type, id, path, data, trace: text.slice(traceAt + 1, idEnd) }
    }
    case "w":
    case "g":
    case "k":
    case "e":
      return { type, id, data }
    case "d":
    case "i":
      return { type, id, data, size: text.length - pathEnd - 1 }
    case "o":
    case "j":
    case "h":
      return { type, id }
    default:
      return malformed("its type is unknown")
  }
}

/**
 * The id of a frame, or -1.
 */
export const idOf = (text: string): number => {
  if (text.charCodeAt(1) !== colon) return -1
  const idEnd = text.indexOf(":", 2)
  const traceAt = traceStart(text, idEnd)
  return parseId(text, traceAt === -1 ? idEnd : traceAt)
}

/**
 * The path of a frame; empty where it has none.
 */
export const pathOf = (text: string): string => {
  const start = text.indexOf(":", 2) + 1
  return start === 0 ? "" : text.slice(start, Math.max(start, text.indexOf(":", start)))
}

/**
 * Where the data of a frame begins.
 */
export const dataStart = (text: string): number => text.indexOf(":", text.indexOf(":", 2) + 1) + 1

/**
 * Which request a failed response to this text would answer: an id as it stands there, and a path where one can be read.
 */
export const addressOf = (
  text: string
): { readonly type: string; readonly id: string; readonly path: string } | undefined => {
  const [, type, id, path] = addressPattern.exec(text.slice(0, maxAddressLength)) ?? []
  return type === undefined || id === undefined ? undefined : { type, id, path: path ?? "" }
}

/** Control characters end what can be repeated to the peer. */
const addressPattern = /^([rq]):([^:;\p{Cc}]{1,64})(?:;[^:\p{Cc}]*)?(?::([^:\p{Cc}]*))?(?=[:\p{Cc}]|$)/u

const maxAddressLength = 1000

export const printMessage = (path: string, data: unknown): string | Unprintable => {
  const json = stringify(data)
  return typeof json === "string" ? `m::${path}:${json}` : json
}

export const printRequest = (id: number, path: string, data: unknown): string | Unprintable => {
  const json = stringify(data)
  return typeof json === "string" ? `r:${id}:${path}:${json}` : json
}

export const printSuccess = (id: number, path: string, data: unknown): string | Unprintable => {
  const json = stringify(data)
  if (typeof json !== "string") return json
  return json === "" ? `s:${id}:${path}:{"success":true}` : `s:${id}:${path}:{"success":true,"data":${json}}`
}

/**
 * A response's data behind its head, which ends with the last colon.
 */
export const printOutcome = (head: string, outcome: Success | Failure): string | Unprintable => {
  const json = stringify(outcome)
  return typeof json === "string" ? head + json : json
}

export const printCancel = (id: number): string => `c:${id}::`

const colon = 58
const semicolon = 59
const typeCancel = 99
const zero = 48

const malformed = (issue: string): Malformed => ({ type: "malformed", issue })

/** The id from position 2 up to `end`, or -1. Only what a counter prints is an id: no sign, no leading zero. */
const parseId = (text: string, end: number): number => {
  const length = end - 2
  if (length <= 0 || length > 16) return -1
  let id = 0
  for (let i = 2; i < end; i++) {
    const digit = text.charCodeAt(i) - zero
    if (digit < 0 || digit > 9) return -1
    id = id * 10 + digit
  }
  if (id > Number.MAX_SAFE_INTEGER || (length > 1 && text.charCodeAt(2) === zero)) return -1
  return id
}

const notAnId = "its id isn't a decimal number up to 2^53 - 1"

/** Where what stands behind the id begins, or -1. */
const traceStart = (text: string, idEnd: number): number => {
  const start = text.indexOf(";", 2)
  return start < idEnd ? start : -1
}

const notJson = Symbol("notJson")

const parseData = (text: string, start: number): unknown => {
  if (start === text.length) return undefined
  // JSON.parse tells bad input only by throwing, and a stack trace takes most of the time of that.
  const { stackTraceLimit } = Error
  try {
    StackTraceLimit.set(0)
    return JSON.parse(text.slice(start))
  } catch {
    return notJson
  } finally {
    StackTraceLimit.set(stackTraceLimit)
  }
}

/**
 * The data of a frame.
 */
export const stringify = (data: unknown): string | Unprintable => {
  // JSON.stringify tells what it can't print only by throwing, and runs toJSON methods that may throw.
  try {
    return JSON.stringify(data) ?? ""
  } catch (error) {
    return { type: "unprintable", issue: messageOf(error) }
  }
}
