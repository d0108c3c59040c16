/**
 * Whether a request is one that an interceptor takes.
 */
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { BodyMatcher, RequestMatcher } from "../../src/HttpInterception.js"
import { InvalidRoute } from "../../src/IPCError.js"
import * as HttpRoutes from "../http/HttpRoutes.js"
import { parseQuery, pathOf } from "../http/RequestTarget.js"
import * as ReadableBody from "./ReadableBody.js"
import type { ReplayedRequest } from "./ReplayedRequest.js"

/** What the matcher's `:name` and `*` stood for, and the query as it came. */
export interface Matched {
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: string
}

/** A matcher made ready. */
export interface Matching {
  /** By method, path, query and headers; `undefined` where one differs. A preflight is matched as what it asks for. */
  readonly match: (request: IncomingMessage, preflightOf?: string) => Matched | undefined
  /** Whether the body is wanted, too. */
  readonly matchBody: ((request: ReplayedRequest & IncomingMessage) => boolean) | undefined
  /** The first thing about the request that differs, in words, and how much agreed before it. */
  readonly difference: (request: IncomingMessage) => { readonly agreed: number; readonly what: string }
}

/** Fails where the path isn't find-my-way syntax. */
export const make = (matcher: RequestMatcher): Effect.Effect<Matching, InvalidRoute> =>
  Effect.gen(function* () {
    const method = matcher.method?.toUpperCase() ?? "ALL"
    const inPath = queryIn(matcher.path ?? "*")
    if (inPath !== undefined) {
      const issue = `a path has no query; pass { query: ${JSON.stringify(parseQuery(inPath))} }`
      return yield* new InvalidRoute({ method, path: matcher.path as string, issue })
    }
    const paths = HttpRoutes.make<undefined>()
    // A method that find-my-way doesn't know is refused; what it is compared with is the request's own.
    const add = (of: string, path: string) =>
      Effect.catchTag(paths.add(of, path, undefined), "RouteConflict", Effect.die)
    yield* add(method, matcher.path ?? "*")
    if (method !== "ALL") yield* add("ALL", matcher.path ?? "*")
    const { body } = matcher
    const query = Object.entries(matcher.query ?? {})
    const headers = Object.entries(matcher.headers ?? {})

    const path = (url: string): Matched | undefined => {
      if (matcher.path !== undefined) return paths.find("GET", url)
      const start = url.indexOf("?")
      return { params: {}, query: start === -1 ? "" : url.slice(start + 1) }
    }
    const takesMethod = (asked: string) =>
      method === "ALL" || asked === method || (method === "GET" && asked === "HEAD")
    const wrongQuery = (text: string) => {
      if (query.length === 0) return undefined
      const given = parseQuery(text)
      return query.find(([name, wanted]) => !hasValue(given[name], wanted))
    }
    const wrongHeader = (request: IncomingMessage) =>
      headers.find(([name, wanted]) => !hasValue(request.headers[name.toLowerCase()], wanted))

    return {
      match: (request, preflightOf) => {
        if (!takesMethod(preflightOf ?? (request.method as string))) return undefined
        const matched = path(request.url as string)
        if (matched === undefined || wrongQuery(matched.query) !== undefined) return undefined
        // A preflight has none of the headers of the request that it asks for.
        return preflightOf !== undefined || wrongHeader(request) === undefined ? matched : undefined
      },
      matchBody:
        body === undefined
          ? undefined
          : (request) => {
              if (!request.isWhole) return false
              return matchesBody(ReadableBody.decode(request.headers, request.beginning, false), body)
            },
      difference: (request) => {
        const matched = path(request.url as string)
        if (matched === undefined) return { agreed: 0, what: "the path differs" }
        if (!takesMethod(request.method as string)) return { agreed: 1, what: `the method is ${method}` }
        const parameter = wrongQuery(matched.query)
        if (parameter !== undefined) return { agreed: 2, what: `the query has no ${parameter[0]}=${parameter[1]}` }
        const header = wrongHeader(request)
        if (header !== undefined) return { agreed: 3, what: `there is no header ${header[0]}: ${header[1]}` }
        return body === undefined
          ? { agreed: ALL_AGREED, what: "it takes no more calls" }
          : { agreed: 4, what: "the body differs, or it takes no more calls" }
      }
    }
  })

/** A `?` at the end of a parameter or in its expression makes it optional; with more after it, it begins a query. */
const queryIn = (path: string): string | undefined => {
  const plain = path.replace(/\(.*\)/, "")
  const rest = plain.slice(plain.indexOf("?") + 1)
  return rest === plain || rest === "" || rest.startsWith("/") ? undefined : rest
}

/** What `difference` gives for `agreed` where nothing differs. */
export const ALL_AGREED = 5

/** How much two paths resemble each other: the segments that they have in common, from the left. */
export const resemblance = (pattern: string | undefined, url: string): number => {
  if (pattern === undefined) return 0
  const segments = pathOf(url).split("/")
  let common = 0
  for (const [at, segment] of pattern.split("/").entries()) {
    if (segment === "" || segments[at] === undefined) continue
    if (segment === segments[at]) common += 2
    else if (segment.startsWith(":") && common > 0) common += 1
  }
  return common
}

const hasValue = (given: string | ReadonlyArray<string> | undefined, wanted: string | RegExp): boolean => {
  if (given === undefined) return false
  const values = typeof given === "string" ? [given] : given
  return values.some((value) => (typeof wanted === "string" ? value === wanted : testOf(wanted, value)))
}

// A global expression goes on where it left off.
const testOf = (expression: RegExp, value: string): boolean => {
  expression.lastIndex = 0
  return expression.test(value)
}

const matchesBody = (body: unknown, wanted: BodyMatcher): boolean => {
  if (typeof wanted === "function") {
    // A predicate is written for the body it expects; any other may make it throw.
    try {
      return wanted(body)
    } catch {
      return false
    }
  }
  if (wanted instanceof RegExp) {
    return body !== undefined && testOf(wanted, typeof body === "string" ? body : JSON.stringify(body))
  }
  return contains(body, wanted)
}

const contains = (value: unknown, wanted: unknown): boolean => {
  if (Object.is(value, wanted)) return true
  if (wanted instanceof RegExp) return typeof value === "string" && testOf(wanted, value)
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(value) && value.length === wanted.length && wanted.every((item, at) => contains(value[at], item))
    )
  }
  if (!Predicate.isRecord(wanted) || !Predicate.isRecord(value)) return false
  return Object.entries(wanted).every(([name, item]) => Object.hasOwn(value, name) && contains(value[name], item))
}

/** The matcher as text. */
export const textOf = (matcher: RequestMatcher): string => {
  const query = Object.entries(matcher.query ?? {}).map(([name, value]) => `${name}=${value}`)
  const path = matcher.path ?? (matcher.api === undefined ? "any path" : `any path of ${matcher.api}`)
  const parts = [
    `${matcher.method?.toUpperCase() ?? "ALL"} ${path}${query.length === 0 ? "" : `?${query.join("&")}`}`,
    ...Object.entries(matcher.headers ?? {}).map(([name, value]) => `with ${name}: ${value}`),
    ...(matcher.body === undefined ? [] : [`with body ${bodyText(matcher.body)}`])
  ]
  return parts.join(" ")
}

const bodyText = (body: BodyMatcher): string => {
  if (typeof body === "function") return "that its predicate takes"
  return body instanceof RegExp ? String(body) : JSON.stringify(body)
}
