/**
 * What a gateway holds while it is watched.
 */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { Pool } from "undici"
import type { StoredExchange } from "../../layers/inspector/ExchangeStore.js"
import type { StatusView } from "../../layers/inspector/Views.js"
import { spawnNode } from "../support/ChildProcess.js"
import { echo, service, watching } from "../support/inspector.js"
import { live } from "../support/live.js"
import { program } from "../support/program.js"

const start = Effect.gen(function* () {
  const upstream = yield* service(echo)
  const gateway = yield* spawnNode(program("test/support/processes/inspected-gateway.ts"), {
    args: [upstream],
    nodeArgs: ["--expose-gc"]
  })
  const port = Number(yield* gateway.line("port"))
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() => new Pool(`http://127.0.0.1:${port}`, { connections: 32 })),
    (pool) => Effect.promise(() => pool.destroy())
  )
  const ask = (body?: Buffer) =>
    pool
      .request({ path: "/asked", method: body === undefined ? "GET" : "POST", body: body ?? null })
      .then((answer) => answer.body.dump())
  const told = (word: string) =>
    Effect.map(
      gateway.ask(word, word),
      (text) => JSON.parse(text) as { readonly micros: number; readonly held: number }
    )
  return { ask, port, told }
})

describe("a gateway that is watched", () => {
  live(
    "holds no more than its bound of what passes, and so does the inspector",
    () =>
      Effect.gen(function* () {
        const { ask, port, told } = yield* start
        const body = Buffer.alloc(200_000, "x")
        const pass = (count: number) =>
          Effect.forEach(Array(count), () => Effect.promise(() => ask(body)), { concurrency: 16, discard: true })
        yield* pass(50)
        const before = yield* told("memory")
        const inspector = yield* watching(port)
        // It records once this is shown.
        yield* Effect.repeat(
          Effect.zipRight(
            Effect.promise(() => ask()),
            inspector.get<StatusView>("status")
          ),
          { until: ({ exchanges }) => exchanges > 0 }
        )
        const isLarge = ({ record }: StoredExchange) => record.method === "POST"
        // 40 MB there, and as many back.
        yield* pass(200)
        const after = yield* told("memory")
        const megabytes = (after.held - before.held) / 2 ** 20
        // The log and the bodies under way, each of 16 MiB, and one page on its way.
        assert.isBelow(megabytes, 40)
        // Each exchange is there; of the bodies those of the first 8 MiB, and what is allowed from then on.
        const large = () => Array.from(inspector.state.exchanges.all()).filter(isLarge)
        yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => large().length === 200 })
        const all = large()
        assert.strictEqual(inspector.state.missed, 0)
        const recorded = (size: number) =>
          all.filter(({ record }) => (record.requestBody.text ?? "").length === size).length
        assert.isAtLeast(recorded(body.length), 15)
        assert.isAtLeast(recorded(0), 30)
        assert.isTrue(all.every(({ record }) => record.requestBody.size === body.length))
        assert.isAtMost(inspector.state.exchanges.heldBytes, 64 * 2 ** 20)
      }),
    60_000
  )
})
