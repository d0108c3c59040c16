/**
 * Requests that a mock's handler sends on to the interceptor beneath it or the service.
 *
 * A forwarded request enters the gateway again, with a header that names the mock; interceptors from the mock on leave it
 * alone.
 *
 * @internal
 */
import { randomUUID } from "node:crypto"
import type { IncomingMessage } from "node:http"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { AnySpan } from "effect/Tracer"
import type { HttpRouteRequest } from "../../src/HttpGateway.js"
import type { ForwardChanges } from "../../src/HttpInterception.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import { issueOf, type OptionNames } from "../../src/internal/OptionNames.js"
import * as HttpTraceContext from "../../src/telemetry/HttpTraceContext.js"
import { ofConnection } from "../http/HeaderPairs.js"
import * as Undici from "../http/proxy/Undici.js"
import { pathOf } from "../http/RequestTarget.js"
import type { ApiRequests } from "./ApiRequests.js"
import { show } from "./Difference.js"
import type { Installed } from "./Interceptors.js"

export class Forwarding {
  readonly #gatewayUrl: string
  readonly #apis: ApiRequests
  /** The mocks whose handlers have forwarded a request that is under way. */
  readonly #mocks = new Map<string, Installed>()
  /** By the request's raw headers, which every form of a request shares. */
  readonly #forwardedBy = new WeakMap<object, Installed>()

  constructor(gatewayUrl: string, apis: ApiRequests) {
    this.#gatewayUrl = gatewayUrl
    this.#apis = apis
  }

  /** Whether a mock's handler has sent the request. */
  isForwarded({ headers, rawHeaders }: IncomingMessage): boolean {
    const token = headers[HEADER]
    return this.#forwardedBy.has(rawHeaders) || (typeof token === "string" && this.#mocks.has(token))
  }

  /** Whether a request was forwarded by the interceptor, or by one beneath it. Removes the header that marks it. */
  isBeneath(request: IncomingMessage, installed: Installed): boolean {
    const mock = this.#forwardedBy.get(request.rawHeaders) ?? this.#take(request)
    return mock !== undefined && installed.order >= mock.order
  }

  #take(request: IncomingMessage): Installed | undefined {
    const token = request.headers[HEADER]
    const mock = typeof token === "string" ? this.#mocks.get(token) : undefined
    if (mock === undefined) return undefined
    // Node makes both of the raw headers when they are first asked for, and has counted those before.
    const { headers, headersDistinct, rawHeaders } = request
    const at = rawHeaders.findIndex((name, at) => at % 2 === 0 && name.toLowerCase() === HEADER)
    rawHeaders.splice(at, 2)
    delete headers[HEADER]
    delete headersDistinct[HEADER]
    this.#forwardedBy.set(rawHeaders, mock)
    return mock
  }

  /** Sends the request, with the changes, to whatever is beneath the mock, as part of the handler's trace. */
  forward(
    mock: Installed,
    request: HttpRouteRequest,
    target: string,
    changes: ForwardChanges = {}
  ): Effect.Effect<Response, Cause.UnknownException> {
    const issue = changesIssue(changes)
    if (issue !== undefined) return refuse(issue)
    const { body, headers = {}, method = request.method, path = target } = changes
    const send = async (url: URL, span: AnySpan | undefined, signal: AbortSignal) => {
      const token = randomUUID()
      const { fetch } = await Undici.load()
      const sent = new Headers()
      const trace = span === undefined ? {} : HttpTraceContext.toHeaders(span)
      for (const [name, value] of Object.entries({ ...request.headers, ...trace, ...lowerCased(headers) })) {
        if (value !== undefined && !ofConnection.has(name)) sent.set(name, value)
      }
      sent.set(HEADER, token)
      const content = body === undefined ? request.bytes : contentOf(body, sent, lowerCased(headers))
      const hasBody = method !== "GET" && method !== "HEAD" && content.length > 0
      this.#mocks.set(token, mock)
      try {
        const answer = await fetch(url, {
          method,
          headers: [...sent],
          redirect: "manual",
          signal,
          ...(hasBody ? { body: content } : {})
        })
        // A Response of undici is one of the platform's.
        return changeable(answer as unknown as Response)
      } finally {
        this.#mocks.delete(token)
      }
    }
    return Effect.flatMap(this.#within(target, path), (url) =>
      Effect.withFiberRuntime(({ currentSpan }) =>
        Effect.tryPromise({ try: (signal) => send(url, currentSpan, signal), catch: unanswered })
      )
    )
  }

  /** Where a path is at the gateway. Fails where that isn't the service that the request was sent to. */
  #within(target: string, path: unknown): Effect.Effect<URL, Cause.UnknownException> {
    return Effect.gen(this, function* () {
      if (typeof path !== "string" || !path.startsWith("/")) {
        return yield* refuse(`the path of a forwarded request begins with a slash, such as /users/7; not ${show(path)}`)
      }
      const url = new URL(this.#gatewayUrl + path)
      if (path === target) return url
      const prefixes = Effect.all([this.#apis.prefixOf(pathOf(target)), this.#apis.prefixOf(url.pathname)])
      const [chosen, asked] = yield* Effect.mapError(prefixes, unanswered)
      if (chosen === undefined || chosen === asked) return url
      const other = asked === undefined ? "is no service's" : `is that of the service at ${asked}`
      return yield* refuse(
        `${url.pathname} ${other}, and a request stays with the service that it was sent to, at ${chosen}`
      )
    })
  }
}

const changesIssue = (changes: ForwardChanges): string | undefined =>
  issueOf("what it is changed by", changes, changeNames) ??
  methodIssue(changes.method) ??
  ArgumentIssue.headersIssue(changes.headers, true) ??
  bodyIssue(changes)

const methodIssue = (method: unknown): string | undefined =>
  method === undefined || (typeof method === "string" && /^[A-Za-z-]+$/.test(method))
    ? undefined
    : `its method is a string like "GET", not ${show(method)}`

const bodyIssue = ({ body }: ForwardChanges): string | undefined =>
  body === undefined || typeof body === "string" || body instanceof Uint8Array
    ? undefined
    : ArgumentIssue.jsonIssue("its body is text, bytes or a value that JSON has", body)

const changeNames: OptionNames<ForwardChanges> = { method: true, path: true, headers: true, body: true }

const refuse = (reason: string): Effect.Effect<never, Cause.UnknownException> =>
  Effect.fail(new Cause.UnknownException(undefined, `It can't be forwarded: ${reason}.`))

const unanswered = (error: unknown): Cause.UnknownException => {
  // fetch tells why only in the cause.
  const reason = error instanceof Error && error.cause !== undefined ? error.cause : error
  return new Cause.UnknownException(
    error,
    `The forwarded request got no answer: ${messageOf(reason)}. Did the service, or a fault beneath the mock, break the connection?`
  )
}

const lowerCased = (headers: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** What the request's own headers say of its body doesn't hold for another one. */
const contentOf = (
  body: unknown,
  headers: Headers,
  changed: Record<string, string | undefined>
): string | Uint8Array => {
  if (changed["content-encoding"] === undefined) headers.delete("content-encoding")
  if (typeof body === "string" || body instanceof Uint8Array) return body
  if (changed["content-type"] === undefined) headers.set("content-type", "application/json")
  return JSON.stringify(body)
}

/** The response, decoded by now, so that a handler can answer with its headers and another body. */
const changeable = (answer: Response): Response => {
  const headers = new Headers(answer.headers)
  headers.delete("content-encoding")
  headers.delete("content-length")
  const { body, status, statusText } = answer
  // The platform refuses to make one of another status, or with a body where there is none.
  if (status < 200 || status > 599) return answer
  return new Response(WITHOUT_BODY.has(status) ? null : body, { status, statusText, headers })
}

const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

const HEADER = "x-effect-ipc-forwarded-by"
