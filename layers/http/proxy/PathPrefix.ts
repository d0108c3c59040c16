/**
 * A path prefix that an upstream doesn't know: taken off the request's path, and named in a header.
 *
 * @internal
 */

import type { ForwardedExchange } from "./Forwarder.js"

type Sent = Pick<ForwardedExchange, "request" | "target" | "headers">

/** What is sent of an exchange to an upstream that doesn't know the prefix. */
export const without = ({ headers, request, target }: Sent, prefix: string): Sent => ({
  request,
  target: strip(target, prefix),
  headers: addHeader(headers, prefix)
})

/**
 * The target without as many segments as the prefix has. The rest begins with exactly one slash: with two, or a backslash,
 * it would name another host to a service that parses it as a URL.
 */
export const strip = (target: string, prefix: string): string => {
  const queryStart = target.indexOf("?")
  const path = queryStart === -1 ? target : target.slice(0, queryStart)
  let end = 0
  for (let segments = prefix.split("/").length - 1; segments > 0 && end !== -1 && prefix !== "/"; segments--) {
    end = path.indexOf("/", end + 1)
  }
  const rest = end === -1 ? "" : path.slice(end).replace(/^[/\\]+/, "")
  return `/${rest}${queryStart === -1 ? "" : target.slice(queryStart)}`
}

/**
 * The header that frameworks know the prefix by, behind what a proxy before has taken off. They put it before the paths of
 * their redirects, so what isn't plainly one path is dropped: it could name another host.
 */
const addHeader = (headers: ReadonlyArray<string>, prefix: string): ReadonlyArray<string> => {
  const others: Array<string> = []
  let before: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (name.toLowerCase() !== "x-forwarded-prefix") others.push(name, value)
    else before = before === undefined && plainPath.test(value) ? value.replace(/\/$/, "") : ""
  }
  const full = (before ?? "") + (prefix === "/" ? "" : prefix)
  if (full !== "") others.push("x-forwarded-prefix", full)
  return others
}

/** Segments of the characters that RFC 3986 section 3.3 gives them. */
const plainPath = /^(?:\/[\w.~!$&'()*+,;=:@%-]+)+\/?$/
