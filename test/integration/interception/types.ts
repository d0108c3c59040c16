/**
 * What doesn't compile.
 */
import { HttpApiBuilder } from "@effect/platform"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as HttpApiMock from "../../../layers/testing/HttpApiMock.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import * as Intercept from "../../../src/Intercept.js"
import { Api, NoSuchUser } from "./api.js"

const health = HttpApiBuilder.group(Api, "health", (all) => all.handle("check", () => Effect.succeed("")))

export const mocks = [
  // @ts-expect-error there is no such group
  () => HttpApiMock.endpoint(Api, "nobody", "find", () => Effect.void),
  // @ts-expect-error there is no such endpoint
  () => HttpApiMock.endpoint(Api, "users", "lose", () => Effect.void),
  // @ts-expect-error its success is a string
  () => HttpApiMock.endpoint(Api, "health", "check", () => Effect.succeed(7)),
  // @ts-expect-error it declares no such error
  () => HttpApiMock.endpoint(Api, "health", "check", () => Effect.fail(new NoSuchUser({ id: 1 }))),
  () =>
    HttpApiMock.endpoint(Api, "users", "remove", ({ path }) => {
      // @ts-expect-error the id is decoded to a number
      path.id satisfies string
      return Effect.void
    }),
  // @ts-expect-error the handlers of a group are missing
  () => HttpApiMock.all(Api, health)
]

/** Success and failure by turns: what the api declares isn't inferred from what the handler does. */
export const either = HttpApiMock.endpoint(Api, "users", "find", ({ path }) =>
  path.id === 7 ? Effect.succeed({ id: path.id, name: "Ada", since: new Date() }) : new NoSuchUser({ id: path.id })
)

const check = HttpApiMock.endpoint(Api, "health", "check", () => Effect.succeed("fine"))

// @ts-expect-error it needs the interception
export const needs: Effect.Effect<unknown, unknown, Scope.Scope> = check

/** A session is the interception of one test, and runs what belongs to it. */
export const session: Effect.Effect<number, never, HttpInterception | Scope.Scope> = Effect.gen(function* () {
  const http = yield* HttpInterception
  const session = yield* http.session()
  HttpInterception.of(session)
  // @ts-expect-error strict
  yield* http.session({ strickt: true })
  return yield* session.run(Effect.succeed(1))
})

export const words = Effect.map(HttpInterception, (http) => [
  // @ts-expect-error a fault isn't an answer
  http.mock(Intercept.any(), Intercept.drop),
  // @ts-expect-error an answer isn't a fault
  http.fault(Intercept.any(), Intercept.status(500)),
  // @ts-expect-error a query's values are text
  http.spy(Intercept.get("/", { query: { page: 2 } })),
  // @ts-expect-error a spy has no preflights to answer
  http.spy(Intercept.any(), { cors: true }),
  http.mock(Intercept.any({ body: (body) => body === 1 }), Intercept.status(200), Intercept.once)
])
