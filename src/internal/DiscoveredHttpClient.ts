/**
 * An HttpClient whose requests go to where an api is found.
 *
 * @internal
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

export const make = (
  client: HttpClient.HttpClient,
  locate: Effect.Effect<string, { readonly message: string }>
): HttpClient.HttpClient =>
  client.pipe(
    HttpClient.mapRequestEffect((request) =>
      Effect.mapBoth(locate, {
        onFailure: (cause) =>
          new NotLocated({
            request,
            reason: "Transport",
            cause,
            description: cause.message
          }) as HttpClientError.RequestError,
        onSuccess: (url) => HttpClientRequest.setUrl(request, url + rooted(request.url))
      })
    ),
    HttpClient.retry({ while: isRepeatable, schedule: retries })
  )

/** Where the api is isn't known, and asking again would give nothing else. */
class NotLocated extends HttpClientError.RequestError {}

/** Without its slash a path would go on with the port, or make the URL's host a user's name. */
const rooted = (path: string): string => (path.startsWith("/") ? path : `/${path}`)

const isRepeatable = (error: HttpClientError.HttpClientError): boolean =>
  error._tag === "RequestError" &&
  error.reason === "Transport" &&
  !(error instanceof NotLocated) &&
  repeatable.has(error.request.method) &&
  error.request.body._tag !== "Stream"

/** RFC 9110 section 9.2.2. */
const repeatable: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])

const retries = Schedule.exponential("10 millis", 1.5).pipe(
  Schedule.union(Schedule.spaced("250 millis")),
  Schedule.jittered,
  Schedule.upTo("10 seconds")
)
