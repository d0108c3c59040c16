import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import type { Route, RouteChange } from "../../../src/DiscoveryEntry.js"
import * as Protocol from "../../../src/discovery/DiscoveryProtocol.js"
import * as LeaderRoutes from "../../../src/discovery/LeaderRoutes.js"
import * as RouteCache from "../../../src/discovery/RouteCache.js"
import type { IPCClient } from "../../../src/IPCClient.js"
import { NoHandler } from "../../../src/IPCError.js"
import { settled } from "../../support/pair.js"

const route = (api: string, more: Partial<Route> = {}): Route => ({
  kind: "http",
  api,
  pathPrefix: `/${api}`,
  baseUrl: "http://127.0.0.1:1",
  owner: "o",
  registeredAt: 0,
  connections: 0,
  strategy: "first",
  ...more
})

type News = { version: number; changes: ReadonlyArray<RouteChange>; missed?: boolean }

/** A leader that answers requests, and may send changes. */
const makeLeader = (answers: Partial<Record<string, (payload: never) => Effect.Effect<unknown, unknown>>>) => {
  let onChanged: (news: News) => Effect.Effect<void> = () => Effect.void
  const client = {
    handle: (_: unknown, handler: (news: News) => Effect.Effect<void>) =>
      Effect.sync(() => {
        onChanged = handler
      }),
    request: ({ name }: { readonly name: string }, payload: never) =>
      answers[name]?.(payload) ?? Effect.fail(new NoHandler({ request: name, target: "leader" }))
  }
  return { client: client as unknown as IPCClient.Service, tell: (news: News) => Effect.suspend(() => onChanged(news)) }
}

const apisOf = (cache: RouteCache.RouteCache) => cache.routes().map(({ api }) => api)

const pages = Protocol.RoutePage.name

describe("A follower's view of the leader's routes", () => {
  it.scoped("is put together from pages; the changes since the first page count, whenever they come", () =>
    Effect.gen(function* () {
      const secondPage = yield* Deferred.make<void>()
      const leader = makeLeader({
        [pages]: ({ after }: { readonly after: number }) =>
          after === 0
            ? Effect.succeed({ version: 5, routes: [route("a"), route("b")], next: 2 })
            : Effect.as(Deferred.await(secondPage), { version: 7, routes: [route("c")] })
      })
      const cache = yield* RouteCache.make(10)
      const following = yield* Effect.fork(LeaderRoutes.follow(leader.client, cache, 10))
      yield* settled
      yield* leader.tell({ version: 5, changes: [{ _tag: "Unregistered", route: route("b") }] })
      yield* leader.tell({ version: 6, changes: [{ _tag: "Unregistered", route: route("a") }] })
      yield* leader.tell({ version: 7, changes: [{ _tag: "Registered", route: route("c") }] })
      yield* Deferred.succeed(secondPage, undefined)
      yield* Fiber.join(following)
      assert.deepStrictEqual(apisOf(cache), ["b", "c"])
      yield* leader.tell({ version: 8, changes: [{ _tag: "Registered", route: route("d") }] })
      assert.deepStrictEqual(apisOf(cache), ["b", "c", "d"])
    })
  )

  it.scoped("is asked for again where the leader says that changes were missed", () =>
    Effect.gen(function* () {
      let routes = [route("a")]
      let fetched = 0
      const leader = makeLeader({
        [pages]: () =>
          Effect.sync(() => {
            fetched++
            return { version: 1, routes }
          })
      })
      const cache = yield* RouteCache.make(10)
      yield* LeaderRoutes.follow(leader.client, cache, 10)
      routes = [route("b"), route("c")]
      yield* leader.tell({ version: 9, changes: [], missed: true })
      yield* leader.tell({ version: 10, changes: [], missed: true })
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(apisOf(cache), ["b", "c"])
      assert.strictEqual(fetched, 2)
    })
  )

  for (const [version, name] of [
    ["a leader of version 0.1", Protocol.Watch.name],
    ["an original leader", "none"]
  ] as const) {
    it.scoped(`follows ${version} all the same`, () =>
      Effect.gen(function* () {
        const leader = makeLeader({ [name]: () => Effect.succeed({ version: 1, routes: [route("a")] }) })
        const cache = yield* RouteCache.make(10)
        yield* LeaderRoutes.follow(leader.client, cache, 10)
        assert.deepStrictEqual(apisOf(cache), name === "none" ? [] : ["a"])
      })
    )
  }

  it.scoped("keeps what could be registered here, in this version's spelling, and no more than so many", () =>
    Effect.gen(function* () {
      const routes = [
        route("a", { baseUrl: "nowhere" }),
        route("b", { pathPrefix: "/bücher" }),
        route("c", { owner: "x".repeat(1000) }),
        ...Array.from({ length: 20 }, (_, i) => route(`api-${i}`))
      ]
      const leader = makeLeader({ [pages]: () => Effect.succeed({ version: 1, routes }) })
      const cache = yield* RouteCache.make(10)
      yield* LeaderRoutes.follow(leader.client, cache, 100)
      assert.lengthOf(cache.routes(), 10)
      assert.deepInclude(cache.routes()[0], { api: "b", pathPrefix: "/b%C3%BCcher" })
    })
  )

  it.scoped("comes to an end, whatever pages the leader sends", () =>
    Effect.gen(function* () {
      let asked = 0
      const endless = makeLeader({
        [pages]: ({ after }: { readonly after: number }) =>
          Effect.sync(() => {
            asked++
            return { version: 1, routes: [route(`api-${after}`)], next: after + 1 }
          })
      })
      assert.lengthOf(yield* LeaderRoutes.fetch(endless.client, 10), 10)
      assert.strictEqual(asked, 10)
      const stuck = makeLeader({ [pages]: () => Effect.succeed({ version: 1, routes: [route("a")], next: 0 }) })
      assert.lengthOf(yield* LeaderRoutes.fetch(stuck.client, 10), 1)
    })
  )
})
