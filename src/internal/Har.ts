/**
 * HTTP exchanges as HAR 1.2, the format that browsers and HTTP tools import and export.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

/** Names and values in the order in which they were sent; a name may come more than once. */
export type HarHeaders = ReadonlyArray<readonly [name: string, value: string]>

/** A body as it was sent, or the part of it that was recorded. */
export interface HarBody {
  readonly bytes: Uint8Array
  /** How many bytes were sent, where that is more than was recorded. */
  readonly size?: number | undefined
}

export interface HarExchange {
  /** In milliseconds since 1970. */
  readonly startedAt: number
  readonly durationMillis: number
  /** From the start until the response began, in milliseconds. */
  readonly waitMillis?: number | undefined
  readonly request: {
    readonly method: string
    /** Absolute. */
    readonly url: string
    readonly httpVersion?: string | undefined
    readonly headers: HarHeaders
    readonly body: HarBody
  }
  /** None where the exchange failed before there was one. */
  readonly response:
    | {
        readonly status: number
        readonly statusText?: string | undefined
        readonly httpVersion?: string | undefined
        readonly headers: HarHeaders
        readonly body: HarBody
      }
    | undefined
  /** Why there is no response, or none that is whole. */
  readonly failure?: string | undefined
  /** What answered, in words. */
  readonly comment?: string | undefined
}

export type HarEntry = ReturnType<typeof toEntry>

/** The log without its entries: `entries` is empty. */
export const emptyLog = (version: string): { readonly log: HarLog } => ({
  log: { version: "1.2", creator: { name: "effect-ipc", version }, entries: [] }
})

export interface HarLog {
  readonly version: string
  readonly creator: { readonly name: string; readonly version: string }
  readonly entries: ReadonlyArray<HarEntry>
}

/** The exchange with what HAR derives from it. Headers are written as they are given: see {@link hideSecrets}. */
export const toEntry = (exchange: HarExchange) => {
  const { durationMillis, failure, request, response, startedAt } = exchange
  const wait = Math.min(exchange.waitMillis ?? durationMillis, durationMillis)
  const comment = [exchange.comment, failure].filter((part) => part !== undefined).join("; ")
  return {
    startedDateTime: new Date(startedAt).toISOString(),
    time: durationMillis,
    request: {
      method: request.method,
      url: request.url,
      httpVersion: request.httpVersion ?? "HTTP/1.1",
      cookies: cookiesOf(request.headers, "cookie"),
      headers: namesAndValues(request.headers),
      queryString: queryOf(request.url),
      ...postDataOf(request.headers, request.body),
      headersSize: -1,
      bodySize: sizeOf(request.body)
    },
    response: {
      status: response?.status ?? 0,
      statusText: response?.statusText ?? "",
      httpVersion: response?.httpVersion ?? "HTTP/1.1",
      cookies: cookiesOf(response?.headers ?? [], "set-cookie"),
      headers: namesAndValues(response?.headers ?? []),
      content: contentOf(response?.headers ?? [], response?.body ?? noBody),
      redirectURL: headerOf(response?.headers ?? [], "location") ?? "",
      headersSize: -1,
      bodySize: response === undefined ? -1 : sizeOf(response.body)
    },
    cache: {},
    timings: { send: 0, wait, receive: durationMillis - wait },
    ...(comment === "" ? {} : { comment })
  }
}

/** The exchanges of a HAR file, or what is wrong with it. Fields that no exchange has are ignored. */
export const fromJson = (json: string): Either.Either<ReadonlyArray<HarExchange>, string> =>
  Either.mapBoth(decodeLog(json), {
    onLeft: (error) =>
      ParseResult.ArrayFormatter.formatErrorSync(error)
        .map(({ message, path }) => (path.length === 0 ? message : `${path.join(".")} ${message}`))
        .join("; "),
    onRight: ({ log }) => log.entries.map(toExchange)
  })

const toExchange = ({
  comment,
  request,
  response,
  startedDateTime,
  time,
  timings
}: typeof Entry.Type): HarExchange => ({
  startedAt: Date.parse(startedDateTime),
  durationMillis: time,
  waitMillis: timings?.wait,
  request: {
    method: request.method,
    url: request.url,
    httpVersion: request.httpVersion,
    headers: pairsOf(request.headers),
    body: bodyOf(
      request.postData?.text ?? formOf(request.postData?.params),
      request.postData?._encoding,
      request.bodySize
    )
  },
  response:
    response.status === 0
      ? undefined
      : {
          status: response.status,
          statusText: response.statusText,
          httpVersion: response.httpVersion,
          headers: pairsOf(response.headers),
          body: bodyOf(response.content.text, response.content.encoding, response.content.size)
        },
  ...(comment === undefined ? {} : { comment })
})

/** In place of a value that is hidden. */
export const hidden = "[hidden]"

/** Headers whose values let others act in somebody's name. */
export const isSecret = (name: string): boolean => secretHeaders.has(name.toLowerCase())

const secretHeaders: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"])

/** The headers with {@link hidden} for the values of those that are secret. */
export const hideSecrets = (headers: HarHeaders): HarHeaders =>
  headers.map(([name, value]) => [name, isSecret(name) ? hidden : value])

const noBody: HarBody = { bytes: new Uint8Array() }

const sizeOf = ({ bytes, size }: HarBody): number => size ?? bytes.length

const headerOf = (headers: HarHeaders, wanted: string): string | undefined =>
  headers.find(([name]) => name.toLowerCase() === wanted)?.[1]

const namesAndValues = (headers: HarHeaders) => headers.map(([name, value]) => ({ name, value }))

const pairsOf = (headers: ReadonlyArray<{ readonly name: string; readonly value: string }>): HarHeaders =>
  headers.map(({ name, value }) => [name, value])

const queryOf = (url: string) => {
  const at = url.indexOf("?")
  if (at === -1) return []
  const query = new URLSearchParams(url.slice(at + 1).replace(/#.*/s, ""))
  return Array.from(query, ([name, value]) => ({ name, value }))
}

/** The cookies by name; of a `set-cookie` without what follows the first semicolon. */
const cookiesOf = (headers: HarHeaders, header: "cookie" | "set-cookie") =>
  headers.flatMap(([name, value]) => {
    if (name.toLowerCase() !== header || value === hidden) return []
    const parts = header === "cookie" ? value.split(";") : [value.split(";", 1)[0] as string]
    return parts.flatMap((part) => {
      const at = part.indexOf("=")
      return at < 1 ? [] : [{ name: part.slice(0, at).trim(), value: part.slice(at + 1).trim() }]
    })
  })

/** HAR has no encoding for a request's body, so bytes that are no text are in base64 and say so in a field of ours. */
const postDataOf = (headers: HarHeaders, { bytes }: HarBody) => {
  if (bytes.length === 0) return {}
  const { encoding, text } = textOf(bytes)
  const mimeType = headerOf(headers, "content-type") ?? "application/octet-stream"
  return { postData: { mimeType, text, ...(encoding === undefined ? {} : { _encoding: encoding }) } }
}

const contentOf = (headers: HarHeaders, body: HarBody) => {
  const mimeType =
    headerOf(headers, "content-type") ?? (body.bytes.length === 0 ? "x-unknown" : "application/octet-stream")
  return { size: sizeOf(body), mimeType, ...(body.bytes.length === 0 ? {} : textOf(body.bytes)) }
}

const textOf = (bytes: Uint8Array): { readonly text: string; readonly encoding?: string } => {
  try {
    return { text: utf8.decode(bytes) }
  } catch {
    return { text: Encoding.encodeBase64(bytes), encoding: "base64" }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const bodyOf = (text: string | undefined, encoding: string | undefined, size: number | undefined): HarBody => {
  const bytes = bytesOf(text ?? "", encoding)
  return { bytes, ...(size === undefined || size <= bytes.length ? {} : { size }) }
}

/** Of a form, some tools write the fields alone. */
const formOf = (params: ReadonlyArray<{ readonly name: string; readonly value?: string | undefined }> | undefined) =>
  params === undefined || params.length === 0
    ? undefined
    : new URLSearchParams(params.map(({ name, value = "" }): [string, string] => [name, value])).toString()

const bytesOf = (text: string, encoding: string | undefined): Uint8Array =>
  encoding === "base64"
    ? Either.getOrElse(Encoding.decodeBase64(text), () => new TextEncoder().encode(text))
    : new TextEncoder().encode(text)

/** What is needed of a file that another tool may have written. */
const Headers = Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.String }))

const Entry = Schema.Struct({
  startedDateTime: Schema.String.pipe(Schema.filter((text) => !Number.isNaN(Date.parse(text)) || "must be a date")),
  time: Schema.Number,
  request: Schema.Struct({
    method: Schema.String,
    url: Schema.String,
    httpVersion: Schema.optional(Schema.String),
    headers: Headers,
    postData: Schema.optional(
      Schema.Struct({
        text: Schema.optional(Schema.String),
        params: Schema.optional(
          Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.optional(Schema.String) }))
        ),
        _encoding: Schema.optional(Schema.String)
      })
    ),
    bodySize: Schema.optional(Schema.Number)
  }),
  response: Schema.Struct({
    status: Schema.Number,
    statusText: Schema.optional(Schema.String),
    httpVersion: Schema.optional(Schema.String),
    headers: Headers,
    content: Schema.Struct({
      size: Schema.optional(Schema.Number),
      text: Schema.optional(Schema.String),
      encoding: Schema.optional(Schema.String)
    })
  }),
  timings: Schema.optional(Schema.Struct({ wait: Schema.Number })),
  comment: Schema.optional(Schema.String)
})

const decodeLog = Schema.decodeEither(
  Schema.parseJson(Schema.Struct({ log: Schema.Struct({ entries: Schema.Array(Entry) }) }))
)
