/**
 * The inspector's feed and JSON, with real gateways and services.
 */
import * as http from "node:http"
import { assert, describe } from "@effect/vitest"
import { Effect, Schedule, type Scope } from "effect"
import * as Inspector from "../../../layers/Inspector.js"
import type { ExchangeView } from "../../../layers/inspector/Views.js"
import { freePort, participant } from "../../support/discovery.js"
import { listening } from "../../support/listening.js"
import { live } from "../../support/live.js"

/** What a client of the JSON has. */
const open = (port: number) =>
  Effect.map(Inspector.make({ gateway: { port } }), ({ origin, token }) => {
    const request = (path: string, init: RequestInit = {}) =>
      Effect.promise(() =>
        fetch(`${origin}/api/${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
      )
    const get = <A>(path: string) =>
      Effect.flatMap(request(path), (response) => Effect.promise(async () => (await response.json()) as A))
    const until = <A>(path: string, is: (value: A) => boolean) =>
      Effect.retry(
        Effect.filterOrFail(get<A>(path), is, (value) => new Error(`not yet: ${JSON.stringify(value)}`)),
        Schedule.spaced("20 millis").pipe(Schedule.upTo("5 seconds"))
      )
    return { request, get, until, origin, token }
  })

const ask = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return { status: response.status, body: await response.text() }
  })

const service = (onRequest: http.RequestListener): Effect.Effect<string, never, Scope.Scope> =>
  listening(http.createServer(onRequest))

const echo: http.RequestListener = (request, response) => {
  response.setHeader("content-type", "application/json")
  response.setHeader("set-cookie", "session=secret")
  request.on("data", (chunk) => response.write(chunk)).on("end", () => response.end())
}

interface Status {
  readonly connected: boolean
}

describe("the inspector's JSON", () => {
  live("shows an exchange whole, with secrets hidden unless they are asked for", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const { discovery } = yield* participant({ port, runtimeId: "leader" })
      const upstream = yield* service(echo)
      yield* discovery.register({ api: "echo", baseUrl: upstream, pathPrefix: "/echo" })
      const { get, until } = yield* open(port)
      yield* until<Status>("status", ({ connected }) => connected)
      const body = JSON.stringify({ item: "tea" })
      yield* ask(`http://127.0.0.1:${port}/echo/1?x=1`, {
        method: "POST",
        body,
        headers: { authorization: "Bearer secret", "content-type": "application/json" }
      })
      const [first] = yield* until<ReadonlyArray<ExchangeView>>(
        "exchanges",
        ([one]) => one?.durationMillis !== undefined
      )
      const shown = yield* get<ExchangeView>(`exchanges/${first?.id}`)
      assert.deepStrictEqual(
        [shown.method, shown.target, shown.status, shown.api, shown.answeredBy, shown.answerer, shown.failure],
        ["POST", "/echo/1?x=1", 200, "echo", "upstream", upstream, undefined]
      )
      assert.deepStrictEqual(
        [shown.requestBody, shown.responseBody],
        [
          { text: body, size: body.length, truncated: false },
          { text: body, size: body.length, truncated: false }
        ]
      )
      const values = (view: ExchangeView) => [
        new Map(view.requestHeaders).get("authorization"),
        new Map(view.responseHeaders).get("set-cookie")
      ]
      assert.deepStrictEqual(values(shown), ["[hidden]", "[hidden]"])
      assert.deepStrictEqual(values(yield* get<ExchangeView>(`exchanges/${first?.id}?secrets=shown`)), [
        "Bearer secret",
        "session=secret"
      ])
    })
  )
})
