/**
 * Requests by name over NATS beside NATS's own request-reply with the same JSON, 64 at a time: rounds of each take turns, and
 * the median of the ratios is what counts.
 */
import { connect } from "@nats-io/transport-node"
import { Effect, Layer } from "effect"
import { IPCServer, ServiceClient, ServiceServer } from "effect-ipc"
import { NatsDiscovery } from "effect-ipc/nats"
import * as NatsServer from "../test/support/NatsServer.js"

const requests = 4000
const atOnce = 64
const rounds = 9

const Echo = IPCServer.defineRequest<{ readonly id: number; readonly name: string }, { readonly id: number }>("echo")

class Users extends ServiceClient.Tag("users") {}

/** Requests a second. */
const rate = async (one: (id: number) => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  let next = 0
  const worker = async () => {
    while (next < requests) await one(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return (requests / (performance.now() - began)) * 1000
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0

await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const discovery = (runtimeId: string) => NatsDiscovery.layer({ servers: url, runtimeId, lease: "2 seconds" })
      yield* Layer.build(
        ServiceServer.layer("users", (server) => server.handle(Echo, ({ id }) => Effect.succeed({ id }))).pipe(
          Layer.provide(discovery("server"))
        )
      )
      const context = yield* Layer.build(Users.layer.pipe(Layer.provide(discovery("client"))))
      const users = yield* Effect.provide(Users, context)
      const [answering, asking] = yield* Effect.promise(() =>
        Promise.all([connect({ servers: url }), connect({ servers: url })])
      )
      answering.subscribe("bare", {
        callback: (_, message) => {
          const { id } = message.json<{ readonly id: number }>()
          message.respond(JSON.stringify({ id }))
        }
      })
      const bare = async (id: number) =>
        (await asking.request("bare", JSON.stringify({ id, name: "Ada" }), { timeout: 10_000 })).json()
      const ours = (id: number) => Effect.runPromise(users.request(Echo, { id, name: "Ada" }))
      const results: Array<{ readonly ours: number; readonly bare: number }> = []
      for (let round = 0; round < rounds; round++) {
        results.push(yield* Effect.promise(async () => ({ ours: await rate(ours), bare: await rate(bare) })))
      }
      // The first one compiles.
      const counted = results.slice(1)
      console.log(`by name over NATS     ${Math.round(median(counted.map((result) => result.ours)))} requests/s`)
      console.log(`NATS request-reply    ${Math.round(median(counted.map((result) => result.bare)))} requests/s`)
      console.log(`ratio                 ${median(counted.map((result) => result.ours / result.bare)).toFixed(2)}`)
      yield* Effect.promise(() => Promise.all([answering.close(), asking.close()]))
    })
  )
)
process.exit(0)
