/**
 * The target of a request, RFC 9112 section 3.2.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import { parse } from "node:querystring"

/**
 * Why a request is refused by its Host, as RFC 9112 section 3.2 requires: where it has more than one, or one that is invalid.
 * Not so with an absolute target, whose authority replaces it.
 *
 * @internal
 */
export const hostIssue = ({ headers, rawHeaders, url }: IncomingMessage): string | undefined => {
  if ((url as string).charCodeAt(0) !== SLASH) return undefined
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === "host") hosts++
  }
  if (hosts > 1) return "The request has more than one Host."
  const { host } = headers
  return host === undefined || host === "" || isHost(host) ? undefined : "The Host of the request is invalid."
}

/**
 * Gives a request whose target is absolute (`http://host/path`, as to a proxy) the same target in origin form, and the
 * target's authority as its Host (RFC 9112 section 3.2.2). False where the target has no host, or an invalid one.
 *
 * @internal
 */
export const normalize = (request: IncomingMessage): boolean => {
  const target = request.url as string
  if (target.charCodeAt(0) === SLASH || target === "*") return true
  const [, authority, rest = ""] = ABSOLUTE.exec(target) ?? []
  const host = authority?.slice(authority.lastIndexOf("@") + 1)
  if (host === undefined || !isHost(host)) return false
  request.url = rest.charCodeAt(0) === SLASH ? rest : `/${rest}`
  setHost(request, host)
  return true
}

const setHost = (request: IncomingMessage, host: string): void => {
  // Node makes `headers` of the raw ones when they are first read, so they are read before raw ones are removed.
  const { headers } = request
  const raw = request.rawHeaders
  let kept = 0
  for (let i = 0; i < raw.length; i += 2) {
    if ((raw[i] as string).toLowerCase() === "host") continue
    raw[kept++] = raw[i] as string
    raw[kept++] = raw[i + 1] as string
  }
  raw.length = kept
  raw.push("Host", host)
  headers.host = host
}

/**
 * The path of a target in origin form, without the query.
 *
 * @internal
 */
export const pathOf = (target: string): string => {
  const end = target.search(QUERY_OR_FRAGMENT)
  return end === -1 ? target : target.slice(0, end)
}

/**
 * The parameters of a query, however many. A name given more than once has all its values.
 *
 * @internal
 */
export const parseQuery = (query: string): Readonly<Record<string, string | ReadonlyArray<string>>> =>
  parse(query, "&", "=", { maxKeys: 0 }) as Record<string, string | ReadonlyArray<string>>

/** Whether a text is a host, with a port or without (RFC 3986 section 3.2.2). Most requests have the same one. */
const isHost = (host: string): boolean => {
  if (host === lastHost) return true
  if (!HOST.test(host)) return false
  lastHost = host
  return true
}

let lastHost = ""
const HOST = /^(?:\[[\da-f:.]+(?:%[\w.~%-]+)?\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})+)(?::\d*)?$/i
const SLASH = 47
const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)(.*)$/i
const QUERY_OR_FRAGMENT = /[?#]/
