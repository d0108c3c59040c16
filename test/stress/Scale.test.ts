import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Child from "../support/Child.js"
import { live } from "../support/live.js"

interface Memory {
  readonly heap: number
  readonly rss: number
  readonly clients: number
}

/** What an empty server may keep in the end, of thousands of connections: compiled code and grown tables. */
const marginBytes = 8 * 1024 * 1024

const program = (...args: ReadonlyArray<string>) =>
  Child.start("ipc-scale.ts", { args, nodeArgs: ["--expose-gc", "--max-semi-space-size=64"] })

describe("A server with very many clients", () => {
  live(
    "connects 10,000, each of which answers by its runtimeId and leaves, and is back where it was",
    () =>
      Effect.gen(function* () {
        const server = yield* program("server")
        const port = yield* server.line("port")
        const memory = Effect.map(server.ask("memory", "memory"), (json) => JSON.parse(json) as Memory)
        const limit = yield* server.ask("limit", "limit")
        const count = limit === "unlimited" ? 10_000 : Math.min(10_000, Number(limit) - 500)
        if (count < 10_000) console.log(`the system's limit of ${limit} open files permits ${count} clients`)

        const before = yield* memory
        const started = performance.now()
        // What is looked at is the server, so most are bare connections, which cost the processors less.
        const ofLibrary = 1000
        const clients = [
          yield* program("clients", port, "0", String(ofLibrary)),
          yield* program("connections", port, String(ofLibrary), String(count))
        ]
        yield* Effect.forEach(clients, (one) => one.line("connected"))
        const connected = performance.now()
        const answered = yield* server.ask(`request ${count}`, "answered")
        const answeredAt = performance.now()
        const during = yield* memory
        yield* Effect.forEach(clients, (one) => one.ask("leave", "left"), { concurrency: "unbounded" })
        const exits = yield* Effect.forEach(clients, (one) => one.exit)
        const leftAt = performance.now()
        // It learns of the last ones' end in its own time.
        const after = yield* Effect.repeat(memory, { until: (now) => now.clients === 0 })

        const seconds = (from: number, to: number) => `${((to - from) / 1000).toFixed(1)} s`
        const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
        console.log(
          `${count} clients connected in ${seconds(started, connected)}, answered in ${seconds(connected, answeredAt)}, left in ${seconds(answeredAt, leftAt)}; ` +
            `server's heap ${mib(before.heap)} -> ${mib(during.heap)} -> ${mib(after.heap)}, rss ${mib(before.rss)} -> ${mib(during.rss)} -> ${mib(after.rss)}`
        )
        assert.strictEqual(Number(answered), count)
        const stderr = clients.map((one) => one.stderr()).join("")
        assert.deepStrictEqual(exits, Array(2).fill({ code: 0, signal: null }), stderr)
        assert.deepStrictEqual([before.clients, during.clients], [0, count], "who is connected before and during")
        assert.isBelow(after.heap - before.heap, marginBytes)
        assert.strictEqual(server.stderr() + stderr, "")
        yield* server.tell("end")
        assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      }),
    400_000
  )
})
