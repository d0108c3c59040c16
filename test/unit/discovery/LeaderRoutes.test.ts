import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as MemoryIPC from "../../../layers/testing/MemoryIPC.js"
import type { Route } from "../../../src/DiscoveryEntry.js"
import * as Protocol from "../../../src/discovery/DiscoveryProtocol.js"
import * as LeaderRoutes from "../../../src/discovery/LeaderRoutes.js"
import * as RouteCache from "../../../src/discovery/RouteCache.js"
import type * as Watchers from "../../../src/discovery/Watchers.js"
import { IPCClient } from "../../../src/IPCClient.js"
import { IPCPeer } from "../../../src/IPCPeer.js"
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

type Page = Parameters<typeof pageOf<Omit<Route, "kind">>>[0]

/** An answer to a request for a page. */
const pageOf = <A>(page: { version: number; routes: ReadonlyArray<A>; next?: number }) => Effect.succeed(page)

/** A leader that answers requests for pages, and may send changes to its one follower. */
const makeLeader = Effect.fnUntraced(function* (pages?: (after: number) => Effect.Effect<Page>) {
  const peer = yield* IPCPeer
  if (pages !== undefined) yield* peer.handle(Protocol.RoutePage, ({ after }) => pages(after))
  const tell = (message: Watchers.ChangedMessage) =>
    Effect.zipRight(Effect.orDie(peer.notify("client", Protocol.ChangedAsIs, message)), settled)
  return { peer, client: yield* IPCClient, tell }
})

const inMemory = Effect.provide(MemoryIPC.layer())

const apisOf = (cache: RouteCache.RouteCache) => cache.routes().map(({ api }) => api)

describe("A follower's view of the leader's routes", () => {
  it.scoped("is put together from pages; the changes since the first page count, whenever they come", () =>
    Effect.gen(function* () {
      const secondPage = yield* Deferred.make<void>()
      const leader = yield* makeLeader((after) =>
        after === 0
          ? pageOf({ version: 5, routes: [route("a"), route("b")], next: 2 })
          : Effect.zipRight(Deferred.await(secondPage), pageOf({ version: 7, routes: [route("c")] }))
      )
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
    }).pipe(inMemory)
  )

  it.scoped("is asked for again where the leader says that changes were missed", () =>
    Effect.gen(function* () {
      let routes = [route("a")]
      let fetched = 0
      const leader = yield* makeLeader(() =>
        Effect.suspend(() => {
          fetched++
          return pageOf({ version: 1, routes })
        })
      )
      const cache = yield* RouteCache.make(10)
      yield* LeaderRoutes.follow(leader.client, cache, 10)
      routes = [route("b"), route("c")]
      yield* leader.tell({ version: 9, changes: [], missed: true })
      yield* leader.tell({ version: 10, changes: [], missed: true })
      yield* TestClock.adjust("200 millis")
      yield* settled
      assert.deepStrictEqual(apisOf(cache), ["b", "c"])
      assert.strictEqual(fetched, 2)
    }).pipe(inMemory)
  )

  for (const [version, routes] of [
    ["a leader of version 0.1", [route("a")]],
    ["an original leader", undefined]
  ] as const) {
    it.scoped(`follows ${version} all the same`, () =>
      Effect.gen(function* () {
        const leader = yield* makeLeader()
        if (routes !== undefined) yield* leader.peer.handle(Protocol.Watch, () => pageOf({ version: 1, routes }))
        const cache = yield* RouteCache.make(10)
        yield* LeaderRoutes.follow(leader.client, cache, 10)
        assert.deepStrictEqual(cache.routes(), routes ?? [])
      }).pipe(inMemory)
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
      const leader = yield* makeLeader(() => pageOf({ version: 1, routes }))
      const cache = yield* RouteCache.make(10)
      yield* LeaderRoutes.follow(leader.client, cache, 100)
      assert.lengthOf(cache.routes(), 10)
      assert.deepInclude(cache.routes()[0], { api: "b", pathPrefix: "/b%C3%BCcher" })
    }).pipe(inMemory)
  )

  it.scoped("takes a route of a page that names no kind for one by HTTP", () =>
    Effect.gen(function* () {
      const { kind, ...unnamed } = route("a")
      const leader = yield* makeLeader(() => pageOf({ version: 1, routes: [unnamed, route("b", { kind: "ipc" })] }))
      const routes = yield* LeaderRoutes.fetch(leader.client, 10)
      assert.deepStrictEqual(
        routes.map(({ api, kind }) => [api, kind]),
        [
          ["a", kind],
          ["b", "ipc"]
        ]
      )
    }).pipe(inMemory)
  )

  it.scoped("validates what is new or registered differently, and updates what it knows", () =>
    Effect.gen(function* () {
      const known = [route("a"), route("b")]
      const a = route("a", { connections: 7, strategy: "random" })
      const again = [
        a,
        route("b", { pathPrefix: "/b/", stripPrefix: true }),
        route("b", { owner: "other", baseUrl: "nowhere" }),
        route("b", { baseUrl: "http://127.0.0.1:1/?" }),
        route("b", { kind: "ipc" })
      ]
      let routes: ReadonlyArray<Route> = known
      const leader = yield* makeLeader(() => Effect.suspend(() => pageOf({ version: 1, routes })))
      const cache = yield* RouteCache.make(10)
      yield* LeaderRoutes.follow(leader.client, cache, 10)
      assert.deepStrictEqual(cache.routes(), known)
      routes = again
      yield* LeaderRoutes.follow(leader.client, cache, 10)
      assert.deepStrictEqual(cache.routes(), [a, route("b", { stripPrefix: true })])
      yield* leader.tell({
        version: 2,
        changes: [
          { _tag: "Registered", route: route("b") },
          { _tag: "Registered", route: route("a", { kind: "ipc" }) },
          { _tag: "Unregistered", route: route("a", { pathPrefix: "a" }) },
          { _tag: "Registered", route: route("c", { pathPrefix: "c" }) }
        ]
      })
      assert.deepStrictEqual(cache.routes(), [a, route("b")])
    }).pipe(inMemory)
  )

  it.scoped("comes to an end, whatever pages the leader sends", () =>
    Effect.gen(function* () {
      let asked = 0
      const endless = yield* makeLeader((after) =>
        Effect.suspend(() => {
          asked++
          return pageOf({ version: 1, routes: [route(`api-${after}`)], next: after + 1 })
        })
      )
      assert.lengthOf(yield* LeaderRoutes.fetch(endless.client, 10), 10)
      assert.strictEqual(asked, 10)
      const stuck = yield* makeLeader(() => pageOf({ version: 1, routes: [route("a")], next: 0 }))
      assert.lengthOf(yield* LeaderRoutes.fetch(stuck.client, 10), 1)
    }).pipe(inMemory)
  )
})
