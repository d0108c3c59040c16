/**
 * Sends what a handler gives that is a body, or a whole response, by itself: bytes, streams, forms, a web `Response`.
 *
 * @internal
 */
import type { OutgoingHttpHeaders } from "node:http"
import { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Answer, isAnswer } from "../../src/internal/Answer.js"
import type { GatewayResponse } from "./GatewayResponse.js"
import * as ResponseBody from "./ResponseBody.js"
import * as SafeReadable from "./SafeReadable.js"

/**
 * The sending of such a value; undefined where it is none, and so for JSON.
 *
 * @internal
 */
export const send = (response: GatewayResponse, value: object): Effect.Effect<void, unknown> | undefined => {
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain = prototype === Object.prototype || prototype === Array.prototype || prototype === null
  if (isPlain && !(Symbol.asyncIterator in value)) return undefined
  if (isResponse(value)) return sendResponse(response, value)
  if (isAnswer(value)) return sendAnswer(response, value)
  return sendBody(response, { status: 200, headers: {} }, value)
}

/**
 * The sending of a body of any kind, with its content type where the head has none; undefined where it is none.
 *
 * @internal
 */
export const sendBody = (
  response: GatewayResponse,
  head: ResponseBody.Head,
  body: object
): Effect.Effect<void, unknown> | undefined => {
  const bytes = bytesOf(body)
  if (bytes !== undefined) return ResponseBody.sendBytes(response, withType(head, OCTET_STREAM), bytes)
  if (body instanceof URLSearchParams) {
    return ResponseBody.sendBytes(response, withType(head, "application/x-www-form-urlencoded"), String(body))
  }
  if (body instanceof Blob) {
    const typed = withType(head, body.type === "" ? OCTET_STREAM : body.type)
    const sized = { ...typed, headers: { ...typed.headers, "content-length": body.size } }
    return ResponseBody.sendReadable(response, sized, SafeReadable.fromWeb(body.stream()))
  }
  if (body instanceof FormData) return sendFormData(response, head, body)
  const streamed = withType(head, OCTET_STREAM)
  if (body instanceof ReadableStream) return ResponseBody.sendReadable(response, streamed, SafeReadable.fromWeb(body))
  if (body instanceof Readable) return ResponseBody.sendReadable(response, streamed, body)
  if (Stream.StreamTypeId in body) {
    return ResponseBody.sendStream(response, streamed, body as Stream.Stream<unknown, unknown>)
  }
  if (Symbol.asyncIterator in body) {
    return ResponseBody.sendReadable(response, streamed, SafeReadable.fromIterable(body as AsyncIterable<unknown>))
  }
  return undefined
}

/**
 * @internal
 */
export const sendFormData = (
  response: GatewayResponse,
  head: ResponseBody.Head,
  form: FormData
): Effect.Effect<void, unknown> => {
  const encoded = new Response(form)
  const headers = { ...head.headers, "content-type": encoded.headers.get("content-type") as string }
  return ResponseBody.sendReadable(response, { ...head, headers }, SafeReadable.fromWeb(encoded.body as ReadableStream))
}

// By what it has, not by its class: libraries bring classes of their own.
const isResponse = (value: object): value is Response =>
  Object.prototype.toString.call(value) === "[object Response]" && "headers" in value && "status" in value

const sendResponse = (response: GatewayResponse, answer: Response): Effect.Effect<void, unknown> => {
  if (answer.bodyUsed) return Effect.fail(new TypeError("the Response's body was read already"))
  const headers: OutgoingHttpHeaders = {}
  for (const [name, value] of answer.headers) {
    if (name !== "set-cookie") headers[name] = value
  }
  const cookies = answer.headers.getSetCookie()
  if (cookies.length > 0) headers["set-cookie"] = cookies
  // One that was fetched has been decoded already.
  if (answer.url !== "") {
    delete headers["content-encoding"]
    delete headers["content-length"]
  }
  const head: ResponseBody.Head = { status: answer.status, statusText: answer.statusText, headers }
  return answer.body === null
    ? ResponseBody.sendBytes(response, head, undefined)
    : ResponseBody.sendReadable(response, head, SafeReadable.fromWeb(answer.body))
}

const sendAnswer = (response: GatewayResponse, { body, headers, status }: Answer): Effect.Effect<void, unknown> => {
  const head: ResponseBody.Head = { status, headers: { ...headers } }
  return typeof body === "object" && Stream.StreamTypeId in body
    ? ResponseBody.sendStream(response, head, body)
    : ResponseBody.sendBytes(response, head, body)
}

const bytesOf = (body: object): Uint8Array | undefined => {
  if (body instanceof Uint8Array) return body
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  if (body instanceof ArrayBuffer || body instanceof SharedArrayBuffer) return new Uint8Array(body)
  return undefined
}

const withType = (head: ResponseBody.Head, type: string): ResponseBody.Head =>
  head.headers["content-type"] === undefined ? { ...head, headers: { ...head.headers, "content-type": type } } : head
const OCTET_STREAM = "application/octet-stream"
