/**
 * Sends a platform `HttpServerResponse`: every kind of body, headers, cookies and status.
 *
 * @internal
 */

import type { OutgoingHttpHeaders } from "node:http"
import { Readable } from "node:stream"
import type { HttpServerResponse } from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { imported } from "../Lazily.js"
import type { GatewayResponse } from "./GatewayResponse.js"
import * as ResponseBody from "./ResponseBody.js"
import * as ValueResponse from "./ValueResponse.js"

/**
 * Whether the value is one: by its type id, as importing the platform costs start-up time.
 *
 * @internal
 */
export const isPlatformResponse = (value: object): value is HttpServerResponse => TypeId in value

const TypeId = Symbol.for("@effect/platform/HttpServerResponse")

/**
 * Sends the response; succeeds once it is handed to the connection. Interruption leaves the rest unsent.
 *
 * @internal
 */
export const send = (response: GatewayResponse, answer: HttpServerResponse): Effect.Effect<void, unknown> =>
  Effect.flatMap(headersOf(answer), (headers) => {
    const head: ResponseBody.Head = { status: answer.status, statusText: answer.statusText, headers }
    const body = answer.body
    switch (body._tag) {
      case "Empty":
        return ResponseBody.sendBytes(response, head, undefined)
      case "Uint8Array":
        return ResponseBody.sendBytes(response, head, body.body)
      case "Raw":
        return sendRaw(response, head, body.body)
      case "FormData":
        return ValueResponse.sendFormData(response, head, body.formData)
      case "Stream":
        return ResponseBody.sendStream(response, head, body.stream)
    }
  })

const headersOf = (answer: HttpServerResponse): Effect.Effect<OutgoingHttpHeaders, unknown> => {
  const headers: OutgoingHttpHeaders = { ...answer.headers }
  if (Object.keys(answer.cookies.cookies).length === 0) return Effect.succeed(headers)
  // The program that made the cookies has loaded it; for others it would cost start-up time.
  const cookies = Effect.tryPromise({
    try: () => imported("@effect/platform/Cookies", () => import("@effect/platform/Cookies")),
    catch: (error) => error
  })
  return Effect.map(cookies, ({ toSetCookieHeaders }) => {
    const made = toSetCookieHeaders(answer.cookies)
    const own = headers["set-cookie"]
    return { ...headers, "set-cookie": own === undefined ? made : [...made, String(own)] }
  })
}

const sendRaw = (response: GatewayResponse, head: ResponseBody.Head, body: unknown): Effect.Effect<void, unknown> => {
  if (body === undefined || body === null) return ResponseBody.sendBytes(response, head, undefined)
  if (typeof body === "string") return ResponseBody.sendBytes(response, head, body)
  if (body instanceof Readable) return ResponseBody.sendReadable(response, head, body)
  const sending = typeof body === "object" ? ValueResponse.sendBody(response, head, body) : undefined
  return (
    sending ??
    Effect.fail(
      new TypeError(
        `a raw body of type ${Object.prototype.toString.call(body)} can't be sent; a string, bytes or a stream can`
      )
    )
  )
}
