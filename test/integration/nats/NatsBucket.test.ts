import { assert, describe } from "@effect/vitest"
import { jetstreamManager } from "@nats-io/jetstream"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as NatsBucket from "../../../layers/nats/NatsBucket.js"
import * as NatsConnection from "../../../layers/nats/NatsConnection.js"
import type { Bucket } from "../../../src/lease/Bucket.js"
import { holdsTheContract } from "../../support/bucketContract.js"
import { live } from "../../support/live.js"
import { MemoryBucket, toBucket } from "../../support/MemoryBucket.js"
import * as NatsServer from "../../support/NatsServer.js"

let buckets = 0

const overNats = (maxAge = 3_600_000) =>
  Effect.gen(function* () {
    const { url } = yield* NatsServer.start()
    const connection = yield* NatsConnection.make({ servers: url }, "test")
    return yield* NatsBucket.make(connection, {
      servers: url,
      name: `test-${++buckets}`,
      replicas: 1,
      maxAge,
      answerTimeout: 2000
    })
  })

const inMemory = (maxAge = 3_600_000): Bucket => toBucket(new MemoryBucket(() => Date.now(), maxAge))

describe("The bucket on NATS", () => {
  holdsTheContract(overNats())

  live("doesn't wait for a server that answers no watch, and has it keep none", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.start()
      const connection = yield* NatsConnection.make({ servers: server.url }, "test")
      const options = { servers: server.url, name: "test", replicas: 1, maxAge: 3_600_000, answerTimeout: 100 }
      const bucket = yield* NatsBucket.make(connection, options)
      yield* server.stop
      const watch = Effect.scoped(bucket.watch({ onEntry: () => {}, onCurrent: () => {}, onReplaced: () => {} }))
      const failed = yield* Effect.flip(watch).pipe(Effect.timeout("3 seconds"), Effect.ensuring(server.resume))
      assert.strictEqual(failed._tag, "BucketUnavailable")
      // The server takes requests in their order.
      const manager = yield* Effect.promise(() => jetstreamManager(connection))
      assert.strictEqual((yield* Effect.promise(() => manager.streams.info("KV_test"))).state.consumer_count, 0)
    })
  )
})
describe("The bucket in memory", () => holdsTheContract(Effect.sync(inMemory)))

for (const [name, make] of [
  ["on NATS", overNats(1000)],
  ["in memory", Effect.sync(() => inMemory(1000))]
] as const) {
  live(`The bucket ${name} drops what is old, and no watcher hears of it`, () =>
    Effect.gen(function* () {
      const bucket = yield* make
      const heard = yield* Queue.unbounded<string>()
      yield* Effect.forkScoped(
        bucket.watch({
          onEntry: ({ key, value }) => void heard.unsafeOffer(`${key}=${value}`),
          onCurrent: () => {},
          onReplaced: () => {}
        })
      )
      yield* bucket.write("old", "1", 0)
      // The server looks for old messages once a second, and each attempt says whether it has dropped this one.
      yield* Effect.retry(bucket.write("old", "2", 0), { while: (error) => error._tag === "RevisionMismatch" })
      yield* bucket.write("last", "1", 0)
      assert.deepStrictEqual(Array.from(yield* Queue.takeN(heard, 3)), ["old=1", "old=2", "last=1"])
    })
  )
}
