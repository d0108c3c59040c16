/**
 * The headers that a proxy passes on, as they came: raw values, duplicates kept, in order.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type { TLSSocket } from "node:tls"
import { tokensOf } from "../HeaderTokens.js"
import * as GatewayMark from "./GatewayMark.js"

/**
 * The headers of a request for the upstream: without those that concern one connection only (RFC 9110 section 7.6.1) and
 * `expect`, which the gateway has met by itself; with `te` where the client takes trailers, since the gateway passes them;
 * with the gateway's mark and `x-forwarded-for` extended by the client's address, and `x-forwarded-proto`, `-host` and
 * `-port` unless a proxy before this one has set them.
 *
 * @internal
 */
export const ofRequest = (request: IncomingMessage, mark: string): Array<string> => {
  const raw = request.rawHeaders
  const headers: Array<string> = []
  let marks = ""
  let takesTrailers = false
  let forwardedFor = ""
  let host = ""
  let named: Set<string> | undefined
  let hasProto = false
  let hasHost = false
  let hasPort = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    // By length first: most headers are told from those that matter without comparing a letter.
    switch (name.length) {
      case 2:
      case 6:
      case 7:
      case 10:
      case 17: {
        const lower = name.toLowerCase()
        if (lower === "connection") {
          named = namedByConnection(named, value)
          continue
        }
        if (lower === "te") takesTrailers ||= tokensOf(value).includes("trailers")
        if (isConnectionHeader(lower) || lower === "expect") continue
        if (lower === GatewayMark.HEADER) {
          marks += `${value}, `
          continue
        }
        if (lower === "x-forwarded-proto") hasProto = true
        break
      }
      case 4:
        if (name.toLowerCase() === "host") host = value
        break
      case 15:
        if (name.toLowerCase() === "x-forwarded-for") {
          forwardedFor += `${value}, `
          continue
        }
        break
      case 16: {
        const lower = name.toLowerCase()
        if (lower === "proxy-connection") continue
        if (lower === "x-forwarded-host") hasHost = true
        if (lower === "x-forwarded-port") hasPort = true
        break
      }
    }
    headers.push(name, value)
  }
  if (named !== undefined) {
    withoutNamed(headers, named)
    if (named.has("x-forwarded-for")) forwardedFor = ""
    hasProto &&= !named.has("x-forwarded-proto")
    hasHost &&= !named.has("x-forwarded-host")
    hasPort &&= !named.has("x-forwarded-port")
  }
  if (takesTrailers) headers.push("te", "trailers")
  headers.push(GatewayMark.HEADER, marks + mark)
  const socket = request.socket
  headers.push("x-forwarded-for", forwardedFor + (socket.remoteAddress ?? "unknown"))
  if (!hasProto) headers.push("x-forwarded-proto", (socket as TLSSocket).encrypted === true ? "https" : "http")
  if (!hasHost && host !== "") headers.push("x-forwarded-host", host)
  if (!hasPort && socket.localPort !== undefined) headers.push("x-forwarded-port", String(socket.localPort))
  return headers
}

/**
 * The headers of an upstream's response for the client, without those that concern one connection only, and without the
 * length of a body that its status can't have (RFC 9110 section 8.6). Throws where the body has a transfer coding beside
 * chunked.
 *
 * @internal
 */
export const ofResponse = (raw: ReadonlyArray<Buffer>, status: number): Array<string> => {
  const headers: Array<string> = []
  let named: Set<string> | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as Buffer).toString("latin1")
    const value = (raw[i + 1] as Buffer).toString("latin1")
    switch (name.length) {
      case 2:
      case 7:
      case 10:
      case 16:
      case 17: {
        const lower = name.toLowerCase()
        if (lower === "connection") {
          named = namedByConnection(named, value)
          continue
        }
        if (lower === "transfer-encoding") refuseCodings(value)
        if (isConnectionHeader(lower)) continue
      }
    }
    headers.push(name, value)
  }
  if (named !== undefined) withoutNamed(headers, named)
  if (status < 200 || status === 204) remove(headers, "content-length")
  return headers
}

/** undici decodes the chunks and ignores any other coding; the client would get a body that it can't read. */
const refuseCodings = (value: string): void => {
  const coding = tokensOf(value).find((token) => token !== "chunked")
  if (coding !== undefined) throw new Error(`the transfer coding ${JSON.stringify(coding)} is not supported`)
}

/**
 * The headers of a 101 as they came, `connection` and `upgrade` with them.
 *
 * @internal
 */
export const ofUpgrade = (raw: ReadonlyArray<Buffer>): string => {
  let headers = ""
  for (let i = 0; i < raw.length; i += 2) {
    headers += `${(raw[i] as Buffer).toString("latin1")}: ${(raw[i + 1] as Buffer).toString("latin1")}\r\n`
  }
  return headers
}

/**
 * The trailers of a response as pairs, the form that `ServerResponse.addTrailers` keeps duplicates in. Without those that
 * Node wouldn't send.
 *
 * @internal
 */
export const ofTrailers = (raw: ReadonlyArray<Buffer>): Array<[string, string]> => {
  const trailers: Array<[string, string]> = []
  for (let i = 0; i < raw.length; i += 2) {
    const value = (raw[i + 1] as Buffer).toString("latin1")
    if (VALUE.test(value)) trailers.push([(raw[i] as Buffer).toString("latin1"), value])
  }
  return trailers
}

/**
 * The first value of a header in a flat list, by its name in lower case.
 *
 * @internal
 */
export const get = (headers: ReadonlyArray<string>, lowerName: string): string | undefined => {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return headers[i + 1]
  }
  return undefined
}

/**
 * Takes a header out of a flat list.
 *
 * @internal
 */
export const remove = (headers: Array<string>, lowerName: string): void => withoutNamed(headers, new Set([lowerName]))

/** RFC 9110 section 5.5. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

const isConnectionHeader = (lower: string): boolean => {
  switch (lower) {
    case "te":
    case "upgrade":
    case "connection":
    case "keep-alive":
    case "proxy-connection":
    case "transfer-encoding":
      return true
    default:
      return false
  }
}

// `host` frames nothing but is every recipient's: a client can't have it removed.
const namedByConnection = (named: Set<string> | undefined, value: string): Set<string> | undefined => {
  if (value === "keep-alive" || value === "close") return named
  let names = named
  for (const name of tokensOf(value)) {
    if (name === "keep-alive" || name === "close" || name === "upgrade" || name === "host") continue
    names ??= new Set()
    names.add(name)
  }
  return names
}

const withoutNamed = (headers: Array<string>, named: ReadonlySet<string>) => {
  let kept = 0
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (named.has(name.toLowerCase())) continue
    headers[kept] = name
    headers[kept + 1] = headers[i + 1] as string
    kept += 2
  }
  headers.length = kept
}
