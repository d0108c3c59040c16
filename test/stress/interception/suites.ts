/**
 * Suites of generated tests, twenty-five each, every one on a gateway of its own; each test is followed by a look at what
 * it left.
 */
import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterAll, afterEach, beforeAll, describe, it } from "vitest"
import { GatewayTest, TestGateway } from "../../../layers/testing/index.js"
import { Discovery } from "../../../src/Discovery.js"
import { IPCServer } from "../../../src/IPCServer.js"
import * as EffectScenarios from "./EffectScenarios.js"
import * as Place from "./Place.js"
import * as PromiseScenarios from "./PromiseScenarios.js"
import * as SessionScenarios from "./SessionScenarios.js"

const testsPerSuite = 25

/** Each suite begins elsewhere among the scenarios, so that together they have each often. */
const tests = <A>(suite: number, scenarios: Readonly<Record<string, A>>) => {
  const all = Object.entries(scenarios)
  return Array.from({ length: testsPerSuite }, (_, at) => {
    const n = suite * testsPerSuite + at
    const [name, scenario] = all[n % all.length] as [string, A]
    return { n, name: `test ${n} ${name}`, scenario }
  })
}

export const withEffect = (suite: number): void => {
  const service = Layer.scopedDiscard(
    Effect.gen(function* () {
      const { url } = yield* Effect.acquireRelease(Effect.promise(Place.startService), ({ close }) =>
        Effect.promise(close)
      )
      yield* Effect.flatMap(Discovery, ({ register }) => register([Place.entryOf(url)]))
    })
  )
  const stack = Layer.provideMerge(service, GatewayTest.layer())
  layer(stack, { excludeTestServices: true, timeout: 30_000 })(`suite ${suite}, with Effect`, (it) => {
    for (const { n, name, scenario } of tests(suite, EffectScenarios.scenarios)) {
      it.effect(name, () =>
        Effect.gen(function* () {
          const { url } = yield* IPCServer
          const discovery = yield* Discovery
          const exit = yield* Effect.exit(Effect.scoped(scenario(n, url)))
          const routes = yield* discovery.routes
          yield* Effect.promise(() => Place.assertNothingLeft(url, routes))
          return yield* exit
        })
      )
    }
  })
}

export const withPromises = (suite: number): void => {
  describe(`suite ${suite}, with promises`, () => {
    const place = aPlace()
    afterEach(() => place.assertNothingLeft())

    for (const { n, name, scenario } of tests(suite, PromiseScenarios.scenarios)) {
      it(name, () => scenario(n, place.gateway()))
    }
  })
}

/** All at the same time. */
export const withSessions = (suite: number): void => {
  describe.concurrent(`suite ${suite}, in sessions`, () => {
    const place = aPlace()
    afterAll(() => place.assertNothingLeft())

    for (const { n, name, scenario } of tests(suite, SessionScenarios.scenarios)) {
      it(name, () => scenario(n, place.gateway()))
    }
  })
}

/** A gateway and a service for a suite. */
const aPlace = () => {
  let gateway: TestGateway.TestGateway
  let service: Awaited<ReturnType<typeof Place.startService>>

  beforeAll(async () => {
    gateway = await TestGateway.start()
    service = await Place.startService()
    await gateway.register([Place.entryOf(service.url)])
  })
  // Hooks run in the reverse order.
  afterAll(async () => {
    await gateway.close()
    await service.close()
  })
  return {
    gateway: () => gateway,
    assertNothingLeft: async () => Place.assertNothingLeft(gateway.url, await gateway.routes())
  }
}
