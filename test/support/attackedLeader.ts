/**
 * A leader in a process of its own, which others attack while one client behaves.
 */
import * as net from "node:net"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { NodeIPCClient } from "../../layers/index.js"
import { validateEntry } from "../../src/DiscoveryEntry.js"
import { DiscoverApi, Register } from "../../src/discovery/DiscoveryProtocol.js"
import * as Child from "./Child.js"
import * as Live from "./discovery.js"
import { clockWithoutWaiting } from "./processor.js"
import { write } from "./rawFrames.js"
import { Add } from "./requests.js"

export const mib = 1024 * 1024

/** The leader after a garbage collection. */
export interface State {
  /** Bytes that JavaScript holds, on its heap and beside it (buffers). */
  readonly held: number
  readonly rss: number
  /** The most of its memory that was ever resident. */
  readonly peak: number
  readonly descriptors: number
  readonly clients: number
  readonly routes: number
  /** How many of its handlers run. */
  readonly running: number
  readonly polluted: boolean
}

export const start = (nodeArgs: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const child = yield* Child.start("leader.ts", { nodeArgs: ["--expose-gc", ...nodeArgs] })
    // Its output before it ended explains more than the failures of its clients.
    yield* Effect.addFinalizer((exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit) && child.stderr() !== "") console.error(child.stderr())
      })
    )
    const port = Number(yield* child.line("port"))
    const facade = Number(yield* child.line("facade"))
    const state = Effect.map(child.ask("state", "state"), (json) => JSON.parse(json) as State)
    return {
      port,
      /** Of the server of promises in the same process. */
      facade,
      pid: child.pid,
      state,
      /** The longest turn of its event loop since this was last asked, in milliseconds of processor time. */
      longestTurn: Effect.map(child.ask("longest turn", "longest"), Number),
      /** Waits for a state: the end of a connection isn't noticed at once. */
      becomes: (is: (state: State) => boolean) => Effect.repeat(Effect.delay(state, "20 millis"), { until: is }),
      logBytes: () => child.stdoutBytes() + child.stderr().length,
      /** Ends it; it has warned of nothing until then. */
      end: Effect.gen(function* () {
        yield* child.tell("end")
        assert.deepStrictEqual([yield* child.exit, child.stderr()], [{ code: 0, signal: null }, ""])
      })
    }
  })

/** An api's instance, below a prefix of the api's name. */
export const entry = (api: string, baseUrl: string) => validateEntry({ api, baseUrl, pathPrefix: `/${api}` })

/** How long the slowest round of questions of the client that behaves may take, in milliseconds. */
const promptly = 10_000

/**
 * Asks one thing after the other, by IPC, by HTTP and of discovery, from before the attack until `stop`. Each round has to be
 * answered promptly, not counting how long the leader and this process waited for a processor.
 */
export const behave = ({ pid, port }: { readonly pid: number; readonly port: number }) =>
  Effect.gen(function* () {
    // On a busy machine silence may be long; how long an answer took is looked at below.
    const patience = { requestTimeout: "1 minute", heartbeat: "1 minute" } as const
    const options = { port, runtimeId: "well-behaved", reconnect: false, ...patience } as const
    const client = yield* NodeIPCClient.make(options)
    yield* client.request(Register, [yield* entry("good", "http://127.0.0.1:1")])
    let longest = 0
    let count = 0
    const now = clockWithoutWaiting(pid)
    const ask = Effect.gen(function* () {
      const before = now()
      const a = count
      assert.strictEqual(yield* client.request(Add, { a, b: 1 }), a + 1)
      assert.strictEqual(yield* Live.get(port, "/route/blob/2"), '200 "bb"')
      assert.deepStrictEqual(yield* client.request(DiscoverApi, "good"), {
        success: true,
        url: `http://127.0.0.1:${port}`
      })
      longest = Math.max(longest, now() - before)
      count++
    })
    const asking = yield* Effect.fork(Effect.forever(ask))
    return {
      ask,
      stop: Effect.gen(function* () {
        yield* ask
        const exit = yield* Fiber.interrupt(asking)
        assert.isTrue(Exit.isInterrupted(exit), String(exit))
        assert.isBelow(longest, promptly)
        return { longest: Math.round(longest), count }
      })
    }
  })

/** A connection from which nothing is read; destroyed with the scope. */
export const connect = (port: number): Effect.Effect<net.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<net.Socket>((resume) => {
      const socket = net.connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
      socket.on("error", () => {})
      socket.pause()
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/**
 * Writes to each connection as much as the leader takes. Done when it has taken all, or takes no more while the client that
 * behaves is answered twenty times.
 */
export const writeToAll = <E>(
  sockets: ReadonlyArray<net.Socket>,
  chunks: ReadonlyArray<Buffer>,
  ask: Effect.Effect<void, E>
): Effect.Effect<void, E, Scope.Scope> =>
  Effect.gen(function* () {
    let written = 0
    let writing = sockets.length
    yield* Effect.forEach(sockets, (socket) =>
      Effect.forEach(chunks, (chunk) => Effect.map(write(socket, chunk), () => written++), { discard: true }).pipe(
        Effect.tap(() => Effect.sync(() => writing--)),
        Effect.forkScoped
      )
    )
    for (let still = 0, last = -1; still < 20 && writing > 0; still++) {
      yield* ask
      if (written !== last) still = 0
      last = written
    }
  })
