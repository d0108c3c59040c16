import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as RoutingStrategy from "../../src/RoutingStrategy.js"

type Instances = NonEmptyReadonlyArray<RoutingStrategy.Instance>

const instance = (id: number, connections = 0): RoutingStrategy.Instance => ({
  id,
  api: "users",
  baseUrl: `http://127.0.0.1:${id}`,
  pathPrefix: "/users",
  registeredAt: 0,
  connections
})

const unused = { random: () => assert.fail("no strategy but random is random") }

const start = (strategy: RoutingStrategy.RoutingStrategy, sources: RoutingStrategy.Sources = unused) => {
  const pick = strategy.start(sources)
  return (instances: Instances) => pick(instances, "/users")?.id
}

const three: Instances = [instance(1), instance(2), instance(3)]

const times = <A>(count: number, f: () => A): Array<A> => Array.from({ length: count }, f)

/** Ascending ids, as the table gives them, each with a number of connections. */
const someInstances = fc
  .uniqueArray(fc.record({ id: fc.integer({ min: 1, max: 30 }), connections: fc.nat(4) }), {
    minLength: 1,
    maxLength: 8,
    selector: ({ id }) => id
  })
  .map(
    (all) =>
      all.sort((a, b) => a.id - b.id).map(({ connections, id }) => instance(id, connections)) as unknown as Instances
  )

describe("RoutingStrategy", () => {
  it("first always picks the earliest, last the latest", () => {
    assert.deepStrictEqual(
      times(3, () => start(RoutingStrategy.first)(three)),
      [1, 1, 1]
    )
    assert.deepStrictEqual(
      times(3, () => start(RoutingStrategy.last)(three)),
      [3, 3, 3]
    )
  })

  it("random divides the source's range evenly", () => {
    const numbers = [0, 0.33, 0.34, 0.66, 0.67, 0.999_999]
    const pick = start(RoutingStrategy.random, { random: () => numbers.shift() ?? 0 })
    assert.deepStrictEqual(
      times(6, () => pick(three)),
      [1, 1, 2, 2, 3, 3]
    )
  })

  it("roundRobin picks one after the other, and then starts over", () => {
    const pick = start(RoutingStrategy.roundRobin)
    assert.deepStrictEqual(
      times(7, () => pick(three)),
      [1, 2, 3, 1, 2, 3, 1]
    )
  })

  it("roundRobin keeps its place for each start apart", () => {
    const users = start(RoutingStrategy.roundRobin)
    const orders = start(RoutingStrategy.roundRobin)
    assert.deepStrictEqual([users(three), users(three), orders(three), users(three), orders(three)], [1, 2, 1, 3, 2])
  })

  it("roundRobin gives a newcomer its turn after those that were there before it", () => {
    const pick = start(RoutingStrategy.roundRobin)
    const picked = [
      pick(three),
      pick([...three, instance(4)]),
      pick([...three, instance(4)]),
      pick([...three, instance(4)])
    ]
    assert.deepStrictEqual(picked, [1, 2, 3, 4])
  })

  it.prop(
    "roundRobin picks each other instance exactly once between two turns of one, while others come and go",
    [fc.array(fc.oneof(fc.constant("come"), fc.constant("pick"), fc.constant("pick"), fc.nat(5)), { maxLength: 80 })],
    ([steps]) => {
      const pick = start(RoutingStrategy.roundRobin)
      let latestId = 1
      let live = [instance(1)]
      const since = new Map<number, { readonly there: ReadonlySet<number>; readonly picked: Array<number> }>()
      for (const step of steps) {
        if (step === "come") live = [...live, instance(++latestId)]
        else if (typeof step === "number") live = live.filter((_, index) => live.length === 1 || index !== step)
        else {
          const id = pick(live as unknown as Instances) ?? assert.fail("nothing picked")
          const turn = since.get(id)
          if (turn !== undefined) {
            const stayed = live.filter((one) => one.id !== id && turn.there.has(one.id)).map((one) => one.id)
            assert.deepStrictEqual(
              turn.picked.filter((other) => stayed.includes(other)).sort((a, b) => a - b),
              stayed
            )
          }
          for (const { picked } of since.values()) picked.push(id)
          since.set(id, { there: new Set(live.map((one) => one.id)), picked: [] })
        }
      }
    }
  )

  it.prop("leastConnections picks one with the fewest", [fc.array(someInstances, { minLength: 1 })], ([rounds]) => {
    const pick = RoutingStrategy.leastConnections.start(unused)
    for (const instances of rounds) {
      const fewest = Math.min(...instances.map((one) => one.connections))
      assert.strictEqual(pick(instances, "/users")?.connections, fewest)
    }
  })

  it("leastConnections lets those with equally few take turns", () => {
    const pick = start(RoutingStrategy.leastConnections)
    const instances: Instances = [instance(1), instance(2, 1), instance(3), instance(4)]
    assert.deepStrictEqual(
      times(5, () => pick(instances)),
      [1, 3, 4, 1, 3]
    )
  })

  it("custom gets the live instances and the path", () => {
    const strategy = RoutingStrategy.custom(
      (instances, path) => instances.find(({ id }) => path.endsWith(`${id}`)),
      "sticky"
    )
    assert.strictEqual(strategy.name, "sticky")
    assert.strictEqual(strategy.start(unused)(three, "/users/2")?.id, 2)
    assert.strictEqual(strategy.start(unused)(three, "/users/9"), undefined)
  })

  it("fromName gives the strategy of that name", () => {
    const names = RoutingStrategy.RoutingStrategyName.literals
    assert.deepStrictEqual(
      names.map((name) => RoutingStrategy.fromName(name).name),
      [...names]
    )
  })
})
