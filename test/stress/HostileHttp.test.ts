/**
 * Broken HTTP from both sides: clients at the leader's port, and a service behind it. `FUZZ_SEED` repeats other runs.
 */
import * as http from "node:http"
import * as net from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { WebSocketServer } from "ws"
import { NodeIPCClient } from "../../layers/index.js"
import { Register } from "../../src/discovery/DiscoveryProtocol.js"
import { behave, entry, mib, start } from "../support/attackedLeader.js"
import * as Live from "../support/discovery.js"
import { each, seed, send } from "../support/hostile/attack.js"
import { Dice } from "../support/hostile/Dice.js"
import { pipeline, response, wholeResponse } from "../support/hostile/httpBytes.js"
import { listening } from "../support/listening.js"
import { live } from "../support/live.js"

/** What the leader may hold more when an attack is over: compiled code and grown tables. */
const mostKept = 16 * mib

/** What a connection may cost in log lines, in bytes. */
const mostLogged = 1024

const service = Effect.suspend(() => {
  const server = http.createServer((request, response) => {
    if (request.url === "/service/events") {
      response.write("data: 1\n\n")
      return
    }
    request.on("error", () => {})
    request.pipe(response)
  })
  new WebSocketServer({ server }).on("connection", (webSocket) => {
    webSocket.on("error", () => {})
    webSocket.on("message", (data) => webSocket.send(data))
  })
  return listening(server)
})

/** What a broken service says to the request of this number, and whether it then stays, ends or resets the connection. */
const brokenAnswer = (number: number) => {
  const dice = new Dice(seed, number)
  const bytes = dice.chance(0.4) ? wholeResponse(dice) : undefined
  if (bytes !== undefined) return { bytes, pieces: [bytes], ending: "stay" }
  const cut = response(dice)
  return { bytes: cut, pieces: dice.split(cut), ending: dice.chance(0.1) ? "reset" : "end" }
}

const broken = Effect.acquireRelease(
  Effect.async<net.Server>((resume) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {})
      socket.on("data", (data) => {
        const { ending, pieces } = brokenAnswer(Number(/\/broken\/(\d+)/.exec(String(data))?.[1]))
        for (const piece of pieces) socket.write(piece)
        if (ending === "reset") socket.resetAndDestroy()
        else if (ending === "end") socket.end()
      })
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`))

const outlives = <E>(
  connections: number,
  attack: (port: number, connections: number) => Effect.Effect<unknown, E, Scope.Scope>
) =>
  Effect.gen(function* () {
    const leader = yield* start()
    const { port } = leader
    const client = yield* NodeIPCClient.make({ port, runtimeId: "services" })
    const entries = [yield* entry("service", yield* service), yield* entry("broken", yield* broken)]
    yield* client.request(Register, entries)
    const good = yield* behave(leader)
    // Once, so that what follows finds everything compiled and grown.
    yield* Effect.scoped(attack(port, Math.ceil(connections / 4)))
    yield* good.ask
    const before = yield* leader.state
    const logged = leader.logBytes()
    yield* Effect.scoped(attack(port, connections))
    const { count, longest } = yield* good.stop
    const after = yield* leader.becomes(({ clients, running }) => clients === before.clients && running === 0)
    console.log(
      `seed ${seed}: ${count} good rounds, the slowest ${longest} ms; held ${(before.held / mib).toFixed(1)} -> ${(after.held / mib).toFixed(1)} MiB; ` +
        `descriptors ${before.descriptors} -> ${after.descriptors}; log ${leader.logBytes() - logged} bytes`
    )
    assert.isFalse(after.polluted)
    assert.isBelow(after.held - before.held, mostKept)
    assert.isBelow(leader.logBytes() - logged, connections * mostLogged)
    assert.strictEqual(yield* Live.get(port, "/service/events/none"), "200 ")
    yield* leader.end
  })

/** Beyond every limit that the leader has for itself, short of what it leaves a service to answer. */
const promptly = <A>(answer: Effect.Effect<A>, number: number) =>
  Effect.timeoutFail(answer, {
    duration: "10 seconds",
    onTimeout: () =>
      new Error(`no answer where the service said ${JSON.stringify(brokenAnswer(number).bytes.toString("latin1"))}`)
  })

describe("A leader outlives", () => {
  const requests = 600
  live(
    `${requests} connections of broken requests and ends each of them`,
    () =>
      outlives(requests, (port, count) =>
        each(count, (dice) =>
          Effect.map(send(port, dice.split(pipeline(dice)), dice.chance(0.1) ? "reset" : "end"), (answer) => {
            if (answer !== "") assert.match(answer, /^HTTP\/1\.1 [1-5]\d\d /)
          })
        )
      ),
    60_000
  )

  const answers = 400
  live(
    `${answers} broken answers of a service, and answers or ends each request`,
    () =>
      outlives(answers, (port, count) =>
        each(count, (_, number) =>
          Effect.map(promptly(Live.get(port, `/broken/${number}`), number), (said) =>
            assert.match(said, /^(ECONNRESET$|HPE_|[2-9]\d\d )/)
          )
        )
      ),
    60_000
  )
})
