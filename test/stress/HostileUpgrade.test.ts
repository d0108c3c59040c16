/**
 * Broken WebSocket handshakes and frames, at the IPC path and through the gateway to a service, and floods of frames that
 * each cost little to send. `FUZZ_SEED` repeats other runs.
 */
import * as http from "node:http"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { WebSocketServer } from "ws"
import { NodeIPCClient } from "../../layers/index.js"
import { Register } from "../../src/discovery/DiscoveryProtocol.js"
import { behave, entry, mib, start, writeToAll } from "../support/attackedLeader.js"
import { each, seed, send } from "../support/hostile/attack.js"
import { frames, handshake } from "../support/hostile/webSocketBytes.js"
import { listening } from "../support/listening.js"
import { live } from "../support/live.js"
import { frame, upgraded } from "../support/rawFrames.js"

/** What the leader may hold more when an attack is over: compiled code and grown tables. */
const mostKept = 16 * mib

/** By how much its resident memory may grow while an attack lasts. */
const mostResident = 192 * mib

const service = Effect.suspend(() => {
  const server = http.createServer((_, response) => response.end())
  new WebSocketServer({ server }).on("connection", (webSocket) => {
    webSocket.on("error", () => {})
    webSocket.on("message", (data) => webSocket.send(data))
  })
  return listening(server)
})

type Attack<E> = (port: number, ask: Effect.Effect<void, unknown>) => Effect.Effect<unknown, E, Scope.Scope>

const outlives = <E>(attack: Attack<E>) =>
  Effect.gen(function* () {
    const leader = yield* start()
    const { port } = leader
    const client = yield* NodeIPCClient.make({ port, runtimeId: "services" })
    yield* client.request(Register, [yield* entry("service", yield* service)])
    const good = yield* behave(leader)
    const { peak } = yield* leader.state
    yield* Effect.scoped(attack(port, good.ask))
    const before = yield* leader.becomes(({ clients }) => clients === 2)
    yield* Effect.scoped(attack(port, good.ask))
    const { count, longest } = yield* good.stop
    const after = yield* leader.becomes(({ clients, running }) => clients === 2 && running === 0)
    console.log(
      `seed ${seed}: ${count} good rounds, the slowest ${longest} ms; held ${[before, after].map(({ held }) => (held / mib).toFixed(1)).join(" -> ")} MiB, ` +
        `at most ${(after.peak / mib).toFixed(0)} resident; descriptors ${before.descriptors} -> ${after.descriptors}; log ${leader.logBytes()} bytes`
    )
    assert.isFalse(after.polluted)
    assert.isBelow(after.peak - peak, mostResident)
    assert.isBelow(after.held - before.held, mostKept)
    yield* leader.end
  })

describe("A leader outlives", () => {
  const broken = (paths: ReadonlyArray<string>) =>
    outlives((port) =>
      each(300, (dice) => {
        const bytes = Buffer.concat([handshake(dice, dice.pick(paths)), frames(dice)])
        return Effect.map(send(port, dice.split(bytes), dice.chance(0.1) ? "reset" : "end"), (answer) => {
          if (answer !== "") assert.match(answer, /^HTTP\/1\.1 [1-5]\d\d /)
        })
      })
    )

  live(
    "300 broken handshakes and frames at its own paths, and ends each connection",
    () => broken(["/__ipc", "/__ggFrameworkConnection"]),
    60_000
  )

  live(
    "300 broken handshakes and frames on their way to a service, and ends each connection",
    () => broken(["/service/ws"]),
    60_000
  )

  const fragment = (length: number) => frame(Buffer.alloc(length, "f"), { opcode: 0, fin: false })
  /** By thousands: those that cost next to nothing to read come in larger numbers. */
  const floods: ReadonlyArray<readonly [thousands: number, one: Buffer, first?: Buffer]> = [
    [100, frame(Buffer.alloc(125), { opcode: 9 })],
    [100, frame(Buffer.alloc(125), { opcode: 10 })],
    [100, fragment(0), frame(Buffer.from("m::a:"), { fin: false })],
    [100, fragment(1), frame(Buffer.from("m::a:"), { fin: false })],
    [20, frame(Buffer.alloc(0))],
    [20, frame(Buffer.alloc(100), { opcode: 2 })],
    [20, frame(Buffer.from("c:1::"))],
    [20, frame(Buffer.from(`r:1:${"n".repeat(100)}`))],
    [20, frame(Buffer.from(`r:1:${"n".repeat(100)}:`))]
  ]
  live(
    "pings, pongs, fragments and small messages by the hundred thousand of clients that never read",
    () =>
      outlives((port, ask) =>
        Effect.forEach(floods, ([thousands, one, first = Buffer.alloc(0)]) =>
          Effect.scoped(
            Effect.gen(function* () {
              const sockets = yield* Effect.forEach([1, 2, 3, 4], () => upgraded(port, "effect-ipc.1"))
              for (const socket of sockets) socket.pause()
              const thousand = Buffer.concat(Array(1000).fill(one))
              yield* writeToAll(sockets, [first, ...Array(thousands).fill(thousand)], ask)
            })
          )
        )
      ),
    60_000
  )
})
