/**
 * The metrics of the process for Prometheus, for clients that may use the server's own paths.
 *
 * @internal
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Frame from "../../src/connection/Frame.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as RunFork from "../../src/internal/RunFork.js"
import * as PrometheusText from "../http/PrometheusText.js"
import { normalize, pathOf } from "../http/RequestTarget.js"
import * as Admission from "./Admission.js"
import { bodyOf, headersOf, type Refusal } from "./Refusal.js"

export const path = `${Frame.upgradePath}/metrics`

export const isOwn = (request: IncomingMessage): boolean =>
  normalize(request) && request.url?.startsWith(path) === true && pathOf(request.url) === path

/** Never throws. */
export type MetricsEndpoint = (request: IncomingMessage, response: ServerResponse) => void

export const make: (options: Admission.AdmissionOptions) => Effect.Effect<MetricsEndpoint> = Effect.fnUntraced(
  function* (options: Admission.AdmissionOptions) {
    const admit = Admission.make(options, yield* Effect.clock)
    const runFork = yield* RunFork.make()

    const refuse = (response: ServerResponse, refusal: Refusal) => {
      if (response.destroyed) return
      const body = bodyOf(refusal)
      response.writeHead(refusal.status, headersOf(refusal, body))
      response.end(body)
    }
    const answer = (response: ServerResponse, text: string) => {
      if (response.destroyed) return
      response.writeHead(200, {
        "content-type": PrometheusText.contentType,
        "content-length": Buffer.byteLength(text),
        "cache-control": "no-store"
      })
      response.end(text)
    }

    return (request, response) => {
      const admitted = admit(request)
      if (Either.isLeft(admitted)) return refuse(response, admitted.left)
      if (request.method !== "GET" && request.method !== "HEAD") return refuse(response, notAllowed)
      PrometheusText.print().then(
        (text) => answer(response, text),
        (error) => {
          const message = `The metrics can't be printed: ${messageOf(error)}`
          runFork(Effect.logError(message))
          refuse(response, { status: 500, error: message })
        }
      )
    }
  }
)

const notAllowed: Refusal = {
  status: 405,
  error: `${path} is read by GET.`,
  headers: { allow: "GET, HEAD" }
}
