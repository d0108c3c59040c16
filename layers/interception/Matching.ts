/**
 * Whether a request is one that an interceptor takes, and where it differs.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import FindMyWay from "find-my-way"
import { InvalidRoute } from "../../src/IPCError.js"
import { printable } from "../../src/internal/Printable.js"
import type { BodyMatcher, RequestMatcher, ValueMatcher, ValueMatchers } from "../../src/RequestMatcher.js"
import * as HttpRoutes from "../http/HttpRoutes.js"
import * as PathPrefix from "../http/proxy/PathPrefix.js"
import { parseQuery, pathOf } from "../http/RequestTarget.js"
import * as Difference from "./Difference.js"
import * as MatchedBody from "./MatchedBody.js"

/** The values of the matcher's `:name` and `*`, and the query as it was sent. */
export interface Matched {
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: string
  /** What was taken off the path before it matched. */
  readonly strippedPrefix?: string
}

/** What is matched of a request beside its body. */
export type RequestHead = Pick<IncomingMessage, "method" | "url" | "headersDistinct">

/** A matcher, compiled. */
export interface Matching {
  /** By method, path, query and headers; `undefined` where one differs. A preflight is matched as the request it asks for. */
  readonly match: (request: RequestHead, preflightOf?: string) => Matched | undefined
  readonly body: BodyMatcher | undefined
  /** Where a request differs; its body is `undefined` where it wasn't read. */
  readonly mismatch: (request: RequestHead, body: MatchedBody.MatchedBody | undefined) => Mismatch
}

/** How much of a request matches, and where the first part of it that doesn't differs. */
export interface Mismatch {
  /** The parts that match: of path, method, query, headers and body, in this order. */
  readonly agreed: number
  /** None where every part matches. */
  readonly differences: ReadonlyArray<Difference.Difference>
}

/** The match of a request as a service gets it whose prefix the gateway takes off. */
export const matchBelow = (
  { match }: Matching,
  { headersDistinct, method, url }: RequestHead,
  strippedPrefix: string,
  preflightOf?: string
): Matched | undefined => {
  const matched = match({ method, url: PathPrefix.strip(url as string, strippedPrefix), headersDistinct }, preflightOf)
  return matched === undefined ? undefined : { ...matched, strippedPrefix }
}

/** Whether it matches a request without some of the first segments of its path, as one that was sent below a prefix. */
export const matchesEnd = ({ match }: Matching, { headersDistinct, method, url }: RequestHead): boolean => {
  const target = url as string
  const end = pathOf(target).length
  for (let at = target.indexOf("/", 1); at !== -1 && at < end; at = target.indexOf("/", at + 1)) {
    if (match({ method, url: target.slice(at), headersDistinct }) !== undefined) return true
  }
  return false
}

/** Fails where the path isn't find-my-way syntax. */
export const make = (matcher: RequestMatcher): Effect.Effect<Matching, InvalidRoute> =>
  Effect.gen(function* () {
    const method = matcher.method?.toUpperCase() ?? "ALL"
    const path = yield* pathMatching(method, matcher.path)
    const { body } = matcher
    const query = valueMatchers(matcher.query)
    const headers = valueMatchers(matcher.headers, (name) => name.toLowerCase())

    const takesMethod = (asked: string) =>
      method === "ALL" || asked === method || (method === "GET" && asked === "HEAD")
    const inQuery = (text: string) =>
      query === undefined ? [] : valueDifferences("query", query, parseQuery(text), false)
    const inHeaders = (request: RequestHead) =>
      headers === undefined ? [] : valueDifferences("headers", headers, request.headersDistinct, true)

    return {
      body,
      match: (request, preflightOf) => {
        if (!takesMethod(preflightOf ?? (request.method as string))) return undefined
        const matched = path(request.url as string)
        if (matched === undefined || inQuery(matched.query).length > 0) return undefined
        // A preflight has none of the headers of the request that it asks for.
        return preflightOf !== undefined || inHeaders(request).length === 0 ? matched : undefined
      },
      mismatch: (request, matchedBody) => {
        const url = request.url as string
        const matched = path(url)
        if (matched === undefined) {
          return {
            agreed: 0,
            differences: [{ part: "path", expected: pathText(matcher), received: printable(pathOf(url)) }]
          }
        }
        if (!takesMethod(request.method as string)) {
          return { agreed: 1, differences: [{ part: "method", expected: method, received: request.method }] }
        }
        const parts: ReadonlyArray<() => ReadonlyArray<Difference.Difference>> = [
          () => inQuery(matched.query),
          () => inHeaders(request),
          () => (body === undefined || matchedBody === undefined ? [] : MatchedBody.differences(matchedBody, body))
        ]
        for (const [at, differencesOf] of parts.entries()) {
          const differences = differencesOf()
          if (differences.length > 0) return { agreed: at + 2, differences }
        }
        return { agreed: ALL_AGREED, differences: [] }
      }
    }
  })

type PathMatching = (url: string) => Matched | undefined

const pathMatching = (method: string, path: string | RegExp | undefined): Effect.Effect<PathMatching, InvalidRoute> => {
  if (path === undefined) return Effect.succeed((url) => ({ params: {}, query: queryOf(url) }))
  if (typeof path !== "string") {
    return Effect.succeed((url) => {
      if (!Difference.testOf(path, pathOf(url))) return undefined
      path.lastIndex = 0
      return { params: path.exec(pathOf(url))?.groups ?? {}, query: queryOf(url) }
    })
  }
  return Effect.gen(function* () {
    const inPath = queryIn(path)
    if (inPath !== undefined) {
      const issue = `a path has no query; pass { query: ${JSON.stringify(parseQuery(inPath))} }`
      return yield* new InvalidRoute({ method, path, issue })
    }
    const paths = HttpRoutes.make<undefined>(FindMyWay)
    // A method that find-my-way doesn't know is refused; requests are looked up by the path alone.
    const add = (of: string) => Effect.catchTag(paths.add(of, path, undefined), "RouteConflict", Effect.die)
    yield* add(method)
    if (method !== "ALL") yield* add("ALL")
    return (url: string) => paths.find("GET", url)
  })
}

const queryOf = (url: string): string => {
  const start = url.indexOf("?")
  return start === -1 ? "" : url.slice(start + 1)
}

/** A `?` at the end of a parameter or in its expression makes it optional; with more after it, it begins a query. */
const queryIn = (path: string): string | undefined => {
  const plain = path.replace(/\(.*\)/, "")
  const rest = plain.slice(plain.indexOf("?") + 1)
  return rest === plain || rest === "" || rest.startsWith("/") ? undefined : rest
}

interface NamedMatchers {
  readonly matchers: ReadonlyArray<readonly [name: string, wanted: ValueMatcher]>
  readonly exactly: boolean
}

const valueMatchers = (
  given: ValueMatchers | undefined,
  nameOf: (name: string) => string = (name) => name
): NamedMatchers | undefined => {
  if (given === undefined) return undefined
  const exactly = Difference.isExact(given)
  const values = (exactly ? given.value : given) as Readonly<Record<string, ValueMatcher>>
  return { exactly, matchers: Object.entries(values).map(([name, wanted]) => [nameOf(name), wanted]) }
}

const valueDifferences = (
  part: string,
  { exactly, matchers }: NamedMatchers,
  given: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>,
  isHeaders: boolean
): ReadonlyArray<Difference.Difference> => {
  const differences: Array<Difference.Difference> = []
  const wantedNames = new Set<string>()
  for (const [name, wanted] of matchers) {
    wantedNames.add(name)
    if (wanted === undefined) continue
    const all = valuesOf(given[name])
    // A list of values of one header line is one value, too (RFC 9110 section 5.3).
    const values = isHeaders && all.length > 1 ? [...all, all.join(", ")] : all
    if (!takesValue(all, values, wanted)) {
      differences.push({
        part: `${part}.${name}`,
        expected: Difference.show(wanted),
        received: all.length === 0 ? undefined : shownValues(all)
      })
    }
  }
  if (!exactly) return differences
  for (const [name, value] of Object.entries(given)) {
    if (wantedNames.has(name) || (isHeaders && isOfEveryRequest(name))) continue
    differences.push({
      part: `${part}.${name}`,
      expected: Difference.NOTHING,
      received: shownValues(valuesOf(value))
    })
  }
  return differences
}

const shownValues = (values: ReadonlyArray<string>): string => values.map(Difference.show).join(", ")

/**
 * Headers that HTTP clients and tracers add by themselves; `Intercept.exact` leaves them aside. A matcher that wants one to be
 * absent names it.
 */
const isOfEveryRequest = (name: string): boolean =>
  OF_EVERY_REQUEST.has(name) || /^(?:x-b3|sec|x-datadog|uberctx|ot-baggage)-/.test(name)

const OF_EVERY_REQUEST: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "keep-alive",
  "content-length",
  "transfer-encoding",
  "accept",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "pragma",
  "expect",
  "te",
  "upgrade",
  "origin",
  "referer",
  "priority",
  "upgrade-insecure-requests",
  "user-agent",
  "traceparent",
  "tracestate",
  "baggage",
  "b3",
  "uber-trace-id",
  "x-amzn-trace-id",
  "x-cloud-trace-context",
  "ot-tracer-spanid",
  "ot-tracer-traceid",
  "ot-tracer-sampled",
  "sentry-trace"
])

const valuesOf = (value: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : typeof value === "string" ? [value] : value

const takesValue = (all: ReadonlyArray<string>, each: ReadonlyArray<string>, wanted: ValueMatcher): boolean => {
  const takes = (value: unknown) => Difference.between(value, wanted, "").length === 0
  if (Array.isArray(wanted)) return takes(all)
  // Such as expect.arrayContaining; that something isn't what it takes is no list's alone.
  if (Difference.isAsymmetric(wanted) && all.length > 0 && takes(all) && !takes({})) return true
  return all.length === 0 ? takes(undefined) && typeof wanted !== "function" : each.some(takes)
}

/** The `agreed` of a mismatch where every part matches. */
const ALL_AGREED = 5

/** How much two paths resemble each other: the segments that they have in common, from the left. */
export const resemblance = (pattern: string | RegExp | undefined, url: string): number => {
  if (typeof pattern !== "string") return 0
  const segments = pathOf(url).split("/")
  let common = 0
  for (const [at, segment] of pattern.split("/").entries()) {
    if (segment === "" || segments[at] === undefined) continue
    if (segment === segments[at]) common += 2
    else if (segment.startsWith(":") && common > 0) common += 1
  }
  return common
}

/** The matcher as text. */
export const textOf = (matcher: RequestMatcher): string => {
  const query = valueMatchers(matcher.query)
  const parts = [
    `${matcher.method?.toUpperCase() ?? "ALL"} ${pathText(matcher)}${query === undefined ? "" : queryText(query)}`,
    ...(valueMatchers(matcher.headers)?.matchers ?? []).map(([name, value]) => `with ${name}: ${valueText(value)}`),
    ...(matcher.body === undefined ? [] : [`with body ${bodyText(matcher.body)}`])
  ]
  return parts.join(" ")
}

const pathText = ({ api, path }: RequestMatcher): string =>
  path === undefined ? (api === undefined ? "any path" : `any path of ${api}`) : String(path)

const queryText = ({ exactly, matchers }: NamedMatchers): string => {
  if (matchers.length === 0) return exactly ? " with no query" : ""
  const text = matchers.map(([name, value]) => `${name}=${valueText(value)}`).join("&")
  return `?${text}${exactly ? " and no more" : ""}`
}

const valueText = (wanted: ValueMatcher): string => (typeof wanted === "string" ? wanted : Difference.show(wanted))

const bodyText = (body: BodyMatcher): string =>
  typeof body === "function" && body.name === "" ? "that its predicate takes" : Difference.show(body)
