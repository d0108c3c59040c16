/**
 * Inspectors and what they look at, for their tests.
 */
import * as http from "node:http"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as RunningInspector from "../../layers/inspector/RunningInspector.js"
import { listening } from "./listening.js"

/** An inspector of the gateway at the port, and its JSON. */
export const openInspector = (port: number) =>
  Effect.map(RunningInspector.make({ gateway: { port } }), ({ inspector, state }) => {
    const { origin, token, url } = inspector
    const request = (path: string, init: RequestInit = {}) =>
      Effect.promise(() =>
        fetch(`${origin}/api/${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
      )
    const get = <A>(path: string, init?: RequestInit) =>
      Effect.flatMap(request(path, init), (response) => Effect.promise(async () => (await response.json()) as A))
    const until = <A>(path: string, is: (value: A) => boolean) =>
      Effect.retry(
        Effect.filterOrFail(get<A>(path), is, (value) => new Error(`not yet: ${JSON.stringify(value)}`)),
        Schedule.spaced("20 millis").pipe(Schedule.upTo("8 seconds"))
      )
    return { request, get, until, state, origin, token, url }
  })

/** As `openInspector`, once it is connected. */
export const watching = (port: number) =>
  Effect.tap(openInspector(port), ({ until }) =>
    until<{ readonly connected: boolean }>("status", ({ connected }) => connected)
  )

export const ask = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return { status: response.status, body: await response.text() }
  })

export const service = (onRequest: http.RequestListener): Effect.Effect<string, never, Scope.Scope> =>
  listening(http.createServer(onRequest))

/** Answers with the body that it was sent, with a cookie. */
export const echo: http.RequestListener = (request, response) => {
  response.setHeader("content-type", request.headers["content-type"] ?? "application/json")
  response.setHeader("set-cookie", "session=secret")
  request.on("data", (chunk) => response.write(chunk)).on("end", () => response.end())
}
