/**
 * What a participant registers, and the route that it becomes.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { ArrayFormatter, type ParseError } from "effect/ParseResult"
import { isRecord } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as PathSegment from "./internal/PathSegment.js"
import { isPrintable, oneLine } from "./internal/Printable.js"
import * as Userinfo from "./internal/Userinfo.js"

const maxPrefixLength = 1024
const maxUrlLength = 2048

/**
 * The path below which an api is served: `/users` takes `/users`, `/users/7` and `/users?x=1`, not `/users2`; `/` takes
 * every path. Trailing slashes are dropped, and characters that a URL's path can't have are percent-encoded: `/bücher` is
 * `/b%C3%BCcher`. Case matters.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PathPrefix = Schema.transform(
  text(maxPrefixLength).pipe(Schema.filter((prefix) => prefixIssue(prefix))),
  Schema.String.pipe(
    Schema.maxLength(maxPrefixLength, { message: () => tooLong(maxPrefixLength) }),
    Schema.brand("effect-ipc/PathPrefix")
  ),
  { strict: false, decode: (prefix) => canonicalPrefix(prefix), encode: (prefix) => prefix }
)

/**
 * Where an instance listens: `http://host:port`, with a path in front of the request's own where the service has
 * one. It has no user and no password. `ws:` and `wss:` are taken as `http:` and `https:`. Host and path get the URL standard's one spelling, and
 * trailing slashes are dropped.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BaseUrl = Schema.transform(
  text(maxUrlLength).pipe(Schema.filter((url) => baseUrlIssue(url))),
  Schema.String.pipe(
    Schema.maxLength(maxUrlLength, { message: () => tooLong(maxUrlLength) }),
    Schema.brand("effect-ipc/BaseUrl")
  ),
  { strict: false, decode: (url) => canonicalUrl(url), encode: (url) => url }
)

/**
 * One instance of one api, as a participant registers it. Its owner isn't part of it: the server knows the owner.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DiscoveryEntry = Schema.Struct({
  api: text(256).pipe(Schema.filter((api) => api.trim() !== "" || "must not be empty")),
  baseUrl: BaseUrl,
  pathPrefix: PathPrefix,
  /**
   * Whether the gateway takes the prefix off a request's path: with the prefix `/users` the service gets `/7` for `/users/7`,
   * and the prefix as `x-forwarded-prefix`.
   */
  stripPrefix: Schema.optional(Schema.Boolean)
}).annotations({ message: () => "it isn't an object" })

/**
 * A valid, normalised entry; `typeof DiscoveryEntry.Encoded` is one in plain strings.
 *
 * @since 0.1.0
 * @category models
 */
export interface DiscoveryEntry extends Schema.Schema.Type<typeof DiscoveryEntry> {}

/**
 * What an instance answers: HTTP requests below a path prefix, or the requests and streams of services by their name.
 *
 * @since 0.2.0
 * @category schemas
 */
export const RouteKind = Schema.Literal("http", "ipc")

/**
 * `http` of a route that the gateway proxies to, `ipc` of an endpoint of requests by name.
 *
 * @since 0.2.0
 * @category models
 */
export type RouteKind = typeof RouteKind.Type

/**
 * Where a service answers requests by name. It has no path, and no HTTP request is routed to it.
 *
 * @internal
 */
export const EndpointEntry = Schema.Struct({
  kind: Schema.Literal("ipc"),
  api: DiscoveryEntry.fields.api,
  baseUrl: BaseUrl,
  pathPrefix: Schema.Literal("")
}).annotations({ message: () => "it isn't an object" })

/** @internal */
export interface EndpointEntry extends Schema.Schema.Type<typeof EndpointEntry> {}

/** @internal */
export type Entry = DiscoveryEntry | EndpointEntry

/** @internal */
export const isEndpoint = (entry: Entry | Route): boolean => "kind" in entry && entry.kind === "ipc"

/**
 * Whether participants of earlier versions know such an entry.
 *
 * @internal
 */
export const isPlain = (entry: Entry | Route): boolean =>
  !isEndpoint(entry) && !("stripPrefix" in entry && entry.stripPrefix === true)

/**
 * An entry that can't be registered; the issue names each field and what is wrong with it.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidEntry extends Schema.TaggedError<InvalidEntry>("effect-ipc/InvalidEntry")("InvalidEntry", {
  entry: Schema.String,
  issue: Schema.String
}) {
  override get message() {
    return `The entry ${oneLine(this.entry)} can't be registered: ${oneLine(this.issue)}. An entry looks like {"api":"users","baseUrl":"http://host:4001","pathPrefix":"/users"}.`
  }
}

/**
 * Checks any value, and normalises it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const validateEntry = (input: unknown): Either.Either<DiscoveryEntry, InvalidEntry> =>
  Either.mapLeft(decodeEntry(input), (error) => invalidEntry(input, issueOf(error)))

/** @internal */
export const validateAny = (input: unknown): Either.Either<Entry, InvalidEntry> =>
  isRecord(input) && input.kind === "ipc" ? validateEndpoint(input) : validateEntry(input)

/** @internal */
export const validateEndpoint = (input: unknown): Either.Either<EndpointEntry, InvalidEntry> =>
  Either.mapLeft(decodeEndpoint(input), (error) => invalidEntry(input, issueOf(error)))

/** @internal */
export const invalidEntry = (input: unknown, issue: string): InvalidEntry =>
  new InvalidEntry({ entry: shown(input), issue })

/**
 * One owner's registration of one instance. Two owners that register the same entry have a route each.
 *
 * @since 0.1.0
 * @category models
 */
export const Route = Schema.Struct({
  kind: Schema.optionalWith(RouteKind, { default: () => "http" }),
  api: Schema.String,
  /** Empty where the kind is `ipc`. */
  pathPrefix: Schema.String,
  /** Whether the gateway takes the prefix off a request's path. */
  stripPrefix: Schema.optional(Schema.Boolean),
  baseUrl: Schema.String,
  /** The owner that registered it, as the server stamped it. */
  owner: Schema.String,
  /** In milliseconds since 1970. */
  registeredAt: Schema.Number,
  /** Exchanges under way with the instance, also those that other owners' routes sent to it. */
  connections: Schema.Number,
  /** The name of the api's strategy. */
  strategy: Schema.String
})

/**
 * A registered entry, with its owner and what the leader knows of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Route extends Schema.Schema.Type<typeof Route> {}

/**
 * What a call changed: a route was added, or removed.
 *
 * @since 0.1.0
 * @category models
 */
export const RouteChange = Schema.Union(
  Schema.TaggedStruct("Registered", { route: Route }),
  Schema.TaggedStruct("Unregistered", { route: Route })
)

/**
 * What a call changed: a route that was added, or one that was removed.
 *
 * @since 0.1.0
 * @category models
 */
export type RouteChange = typeof RouteChange.Type

function text(maxLength: number) {
  return Schema.String.annotations({ message: () => "must be a string" }).pipe(
    Schema.filter((value) => value.length <= maxLength || tooLong(maxLength)),
    Schema.filter((value) => isPrintable(value) || "must not contain control characters")
  )
}

function tooLong(maxLength: number): string {
  return `must have at most ${maxLength} characters`
}

const prefixIssue = (prefix: string): true | string => {
  if (!prefix.startsWith("/")) return 'must start with "/"'
  const bare = withoutTrailingSlashes(prefix, 1)
  if (bare.includes("//")) return 'must not contain "//"'
  if (/[?#]/.test(bare)) return "must not contain a query or a fragment"
  if (/[\s\\]/.test(bare)) return "must not contain white space or a backslash"
  if (bare.split("/").some(PathSegment.isDot)) {
    const { pathname } = new URL(`http://h${bare}`)
    return `must not contain "." or ".." as a segment: a client that asks for it sends ${pathname}`
  }
  return true
}

const baseUrlIssue = (url: string): true | string => {
  if (!/^(http|ws)s?:\/\/[^/]/i.test(url) || !URL.canParse(url)) return 'must be a URL like "http://host:4001"'
  if (/[?#]/.test(url)) return "must not contain a query or a fragment"
  if (Userinfo.isIn(url)) return "must not contain a user or a password: everyone who sees the routes would see them"
  return !/[\s\\]/.test(url) || "must not contain white space or a backslash"
}

const canonicalPrefix = (prefix: string): string =>
  withoutTrailingSlashes(prefix, 1).split("/").map(PathSegment.canonical).join("/")

const canonicalUrl = (url: string): string => withoutTrailingSlashes(new URL(url.replace(/^ws/i, "http")).href, 0)

const withoutTrailingSlashes = (value: string, keep: number): string => {
  let end = value.length
  while (end > keep && value[end - 1] === "/") end--
  return value.slice(0, end)
}

/** The fields of an entry, cut, as they may have come from anywhere; of anything else what it is. */
const shown = (input: unknown): string => {
  if (typeof input === "string") return JSON.stringify(cut(input))
  if (Array.isArray(input)) return "[…]"
  if (typeof input !== "object" || input === null) return String(input)
  const fields = ["api", "baseUrl", "pathPrefix"].flatMap((name) => {
    const value = (input as Readonly<Record<string, unknown>>)[name]
    if (value === undefined) return []
    return `${JSON.stringify(name)}:${typeof value === "object" && value !== null ? "{…}" : JSON.stringify(cut(shownField(name, String(value))))}`
  })
  return `{${fields.join(",")}}`
}

const shownField = (name: string, value: string): string => (name === "baseUrl" ? Userinfo.hidden(value) : value)

const cut = (text: string): string => (text.length > maxShownLength ? `${text.slice(0, maxShownLength)}…` : text)

/** The longest field of an entry that an error shows, in characters. */
const maxShownLength = 200

// Compiled by the first entry, since this runs at each program's start.
const decodeEntry = (input: unknown) => Schema.decodeUnknownEither(DiscoveryEntry, { errors: "all" })(input)

const decodeEndpoint = (input: unknown) => Schema.decodeUnknownEither(EndpointEntry, { errors: "all" })(input)

const issueOf = (error: ParseError): string =>
  ArrayFormatter.formatErrorSync(error)
    .map(({ message, path }) => [...path, message].join(" "))
    .join("; ")
