import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { RouteChange } from "../../../src/DiscoveryEntry.js"
import * as Watchers from "../../../src/discovery/Watchers.js"
import { RequestTimeout } from "../../../src/IPCError.js"
import { settled } from "../../support/pair.js"

const change = (api: string): RouteChange => ({
  _tag: "Registered",
  route: {
    kind: "http",
    api,
    pathPrefix: "/",
    baseUrl: "http://h",
    owner: "o",
    registeredAt: 0,
    connections: 0,
    strategy: "first"
  }
})

const changes = (count: number) => Array.from({ length: count }, (_, i) => change(`api-${i}`))

interface Sent {
  readonly to: string
  readonly version: number
  readonly count: number
  readonly missed: boolean
}

/** Clients of whom some read only when the test says so. */
const makeServer = (stuck: ReadonlyMap<string, Effect.Effect<void, RequestTimeout>> = new Map()) => {
  const sent: Array<Sent> = []
  const notify: Watchers.Notify = (to, { changes, missed, version }) =>
    Effect.suspend(() => {
      sent.push({ to, version, count: changes.length, missed: missed === true })
      return stuck.get(to) ?? Effect.void
    })
  return { sent, notify }
}

describe("Watchers", () => {
  it.scoped("are told in pieces of 128, in order, each by its own pace", () =>
    Effect.gen(function* () {
      const goOn = yield* Deferred.make<void>()
      const { notify, sent } = makeServer(new Map([["slow", Deferred.await(goOn)]]))
      const watchers = yield* Watchers.make(notify, 1000)
      for (const runtimeId of ["slow", "quick"]) watchers.add({ clientId: `of ${runtimeId}`, runtimeId }, false)
      yield* watchers.publish(1, changes(300))
      yield* watchers.publish(2, changes(1))
      yield* settled
      const of = (to: string) => sent.filter((each) => each.to === to).map(({ count, version }) => [version, count])
      const all = [
        [1, 128],
        [1, 128],
        [1, 44],
        [2, 1]
      ]
      assert.deepStrictEqual(of("quick"), all)
      assert.deepStrictEqual(of("slow"), all.slice(0, 1))
      yield* Deferred.succeed(goOn, undefined)
      yield* settled
      assert.deepStrictEqual(of("slow"), all)
    })
  )

  it.scoped("that are too far behind are told that they missed changes, and then only what comes after", () =>
    Effect.gen(function* () {
      const goOn = yield* Deferred.make<void>()
      const { notify, sent } = makeServer(new Map([["slow", Deferred.await(goOn)]]))
      const watchers = yield* Watchers.make(notify, 10)
      watchers.add({ clientId: "1", runtimeId: "slow" }, false)
      yield* watchers.publish(1, changes(1))
      yield* settled
      for (let version = 2; version <= 40; version++) yield* watchers.publish(version, changes(1))
      yield* Deferred.succeed(goOn, undefined)
      yield* settled
      yield* watchers.publish(41, changes(1))
      yield* settled
      assert.deepStrictEqual(sent, [
        { to: "slow", version: 1, count: 1, missed: false },
        { to: "slow", version: 40, count: 0, missed: true },
        { to: "slow", version: 41, count: 1, missed: false }
      ])
    })
  )

  it.scoped("that don't read in time are told that they missed changes", () =>
    Effect.gen(function* () {
      const late = new RequestTimeout({ request: "discovery/changed", target: "slow", millis: 1 })
      let isLate = true
      const once = Effect.suspend(() => {
        const result = isLate ? Effect.fail(late) : Effect.void
        isLate = false
        return result
      })
      const { notify, sent } = makeServer(new Map([["slow", once]]))
      const watchers = yield* Watchers.make(notify, 10)
      watchers.add({ clientId: "1", runtimeId: "slow" }, false)
      yield* watchers.publish(1, changes(1))
      yield* settled
      assert.deepStrictEqual(
        sent.map(({ missed }) => missed),
        [false, true]
      )
    })
  )

  it.scoped("that have disconnected, or were replaced, are told nothing more", () =>
    Effect.gen(function* () {
      const { notify, sent } = makeServer()
      const watchers = yield* Watchers.make(notify, 10)
      watchers.add({ clientId: "1", runtimeId: "gone" }, false)
      watchers.add({ clientId: "2", runtimeId: "there" }, false)
      watchers.add({ clientId: "3" }, false)
      watchers.retain((clientId) => clientId === "2")
      yield* watchers.publish(1, changes(1))
      yield* settled
      assert.deepStrictEqual(
        sent.map(({ to }) => to),
        ["there"]
      )
    })
  )
})
