/**
 * What a participant registers, and the route that it becomes.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { toStringUnknown } from "effect/Inspectable"
import { ArrayFormatter, type ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { isPrintable, oneLine } from "./internal/Printable.js"

/**
 * The path below which an api is served: `/users` takes `/users`, `/users/7` and `/users?x=1`, not `/users2`; `/` takes
 * every path. Trailing slashes are dropped. Segments are compared as they are written: case matters, and
 * percent-encoding isn't undone.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PathPrefix = Schema.transform(
  text(1024),
  Schema.String.pipe(
    Schema.filter((prefix) => prefixIssue(prefix)),
    Schema.brand("effect-ipc/PathPrefix")
  ),
  { strict: false, decode: (prefix) => withoutTrailingSlashes(prefix, 1), encode: (prefix) => prefix }
)

/**
 * Where an instance listens: `http://host:port`, with a path in front of the request's own where the service lives
 * below one. Trailing slashes are dropped.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BaseUrl = Schema.transform(
  text(2048),
  Schema.String.pipe(
    Schema.filter((url) => baseUrlIssue(url)),
    Schema.brand("effect-ipc/BaseUrl")
  ),
  { strict: false, decode: (url) => withoutTrailingSlashes(url, 0), encode: (url) => url }
)

/**
 * One instance of one api, as a participant registers it. Whoever owns it is never part of it: the server knows.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DiscoveryEntry = Schema.Struct({
  api: text(256).pipe(Schema.filter((api) => api.trim() !== "" || "must not be empty")),
  baseUrl: BaseUrl,
  pathPrefix: PathPrefix
}).annotations({ message: () => "it isn't an object" })

/**
 * A valid, normalised entry; `typeof DiscoveryEntry.Encoded` is one in plain strings.
 *
 * @since 0.1.0
 * @category models
 */
export interface DiscoveryEntry extends Schema.Schema.Type<typeof DiscoveryEntry> {}

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
    return `The entry ${oneLine(this.entry)} can't be registered: ${oneLine(this.issue)}. An entry looks like {"api":"users","baseUrl":"http://127.0.0.1:4001","pathPrefix":"/users"}.`
  }
}

/**
 * Checks what came from anywhere, and normalises it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const validateEntry = (input: unknown): Either.Either<DiscoveryEntry, InvalidEntry> =>
  Either.mapLeft(
    decodeEntry(input),
    (error) => new InvalidEntry({ entry: toStringUnknown(input, 0).slice(0, 300), issue: issueOf(error) })
  )

/**
 * One owner's registration of one instance. Two owners who register the same entry have a route each.
 *
 * @since 0.1.0
 * @category models
 */
export const Route = Schema.Struct({
  api: Schema.String,
  pathPrefix: Schema.String,
  baseUrl: Schema.String,
  /** Who registered it, as the server stamped it. */
  owner: Schema.String,
  /** In milliseconds since 1970. */
  registeredAt: Schema.Number,
  /** Exchanges under way with the instance, whoever registered it. */
  connections: Schema.Number,
  /** The name of the api's strategy. */
  strategy: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Route extends Schema.Schema.Type<typeof Route> {}

/**
 * What a call changed: a route came, or went.
 *
 * @since 0.1.0
 * @category models
 */
export const RouteChange = Schema.Union(
  Schema.TaggedStruct("Registered", { route: Route }),
  Schema.TaggedStruct("Unregistered", { route: Route })
)

/**
 * @since 0.1.0
 * @category models
 */
export type RouteChange = typeof RouteChange.Type

function text(maxLength: number) {
  return Schema.String.annotations({ message: () => "must be a string" }).pipe(
    Schema.filter((value) => value.length <= maxLength || `must have at most ${maxLength} characters`),
    Schema.filter((value) => isPrintable(value) || "must not contain control characters")
  )
}

const prefixIssue = (prefix: string): true | string => {
  if (!prefix.startsWith("/")) return 'must start with "/"'
  if (prefix.includes("//")) return 'must not contain "//"'
  if (/[?#]/.test(prefix)) return "must not contain a query or a fragment"
  return !/\s/.test(prefix) || "must not contain white space"
}

const baseUrlIssue = (url: string): true | string => {
  if (!/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url)) return 'must be a URL like "http://127.0.0.1:4001"'
  if (/[?#]/.test(url)) return "must not contain a query or a fragment"
  return !/[\s\\]/.test(url) || "must not contain white space or a backslash"
}

const withoutTrailingSlashes = (value: string, keep: number): string => {
  let end = value.length
  while (end > keep && value[end - 1] === "/") end--
  return value.slice(0, end)
}

const decodeEntry = Schema.decodeUnknownEither(DiscoveryEntry, { errors: "all" })

const issueOf = (error: ParseError): string =>
  ArrayFormatter.formatErrorSync(error)
    .map(({ message, path }) => [...path, message].join(" "))
    .join("; ")
