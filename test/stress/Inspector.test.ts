/**
 * What a gateway holds while it is watched.
 */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { Pool } from "undici"
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
        // 40 MB there, and as many back.
        yield* pass(200)
        const after = yield* told("memory")
        const megabytes = (after.held - before.held) / 2 ** 20
        // The log and the bodies under way, each of 16 MiB, and one page on its way.
        assert.isBelow(megabytes, 40)
        yield* inspector.until<StatusView>("status", ({ exchanges }) => exchanges > 0)
        assert.isAtMost(inspector.state.exchanges.heldBytes, 64 * 2 ** 20)
      }),
    60_000
  )
})
