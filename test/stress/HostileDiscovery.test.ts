/**
 * Discovery's requests with payloads that nobody sends by mistake. `FUZZ_SEED` repeats other runs.
 */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { behave, mib, start } from "../support/attackedLeader.js"
import * as Bare from "../support/Bare.js"
import { each, seed } from "../support/hostile/attack.js"
import { discoveryRequest } from "../support/hostile/json.js"
import { live } from "../support/live.js"

/** What the leader may hold more when an attack is over: compiled code and grown tables. */
const mostKept = 16 * mib

/** How long the text of a refusal may be, in characters: what was sent isn't sent back. */
const mostSaid = 4096

const perConnection = 50

describe("A leader outlives hostile requests of discovery", () => {
  live(
    "and answers each of them once, briefly, until its connection ends with all that it registered",
    () =>
      Effect.gen(function* () {
        const leader = yield* start()
        const { port } = leader
        const good = yield* behave(leader)
        const attack = (connections: number) =>
          each(connections, (dice, number) =>
            Effect.scoped(
              Effect.gen(function* () {
                const named = dice.chance(0.5) ? `?runtimeId=attacker-${number}` : ""
                const protocols = dice.chance(0.5) ? ["effect-ipc.1"] : []
                const peer = yield* Bare.connect(`ws://127.0.0.1:${port}/__ipc${named}`, protocols)
                const requests = new Map(
                  Array.from({ length: perConnection }, (_, i) => [i + 1, discoveryRequest(dice)])
                )
                yield* Effect.forEach(requests, ([id, request]) => peer.send(`r:${id}:${request}`), { discard: true })
                while (requests.size > 0) {
                  for (const text of (yield* answered(peer, requests)).split("\n")) {
                    const id = /^s:(\d+):/.exec(text)?.[1]
                    if (id === undefined) continue
                    const request = requests.get(Number(id)) ?? "twice"
                    assert.isTrue(requests.delete(Number(id)), `${id} was answered twice: ${text.slice(0, 200)}`)
                    if (text.includes('"success":false')) {
                      assert.isBelow(text.length, mostSaid, `${request.slice(0, 200)}: ${text.slice(0, 200)}`)
                    }
                  }
                }
              })
            )
          )
        yield* attack(20)
        const before = yield* leader.becomes(({ clients, routes }) => clients === 1 && routes === 1)
        yield* attack(80)
        const { count, longest } = yield* good.stop
        const after = yield* leader.becomes(({ clients, routes }) => clients === 1 && routes === 1)
        console.log(
          `seed ${seed}: ${count} good rounds, the slowest ${longest} ms; held ${(before.held / mib).toFixed(1)} -> ${(after.held / mib).toFixed(1)} MiB; log ${leader.logBytes()} bytes`
        )
        assert.isFalse(after.polluted)
        assert.isBelow(after.held - before.held, mostKept)
        yield* leader.end
      }),
    60_000
  )
})

describe("No request of discovery keeps a leader busy for more than 50 ms", () => {
  const entries = (of: string) =>
    JSON.stringify(
      Array.from({ length: 1000 }, (_, i) => ({
        api: `${of}-${i}`,
        baseUrl: `http://127.0.0.1:4001/${"é".repeat(20)}`,
        pathPrefix: `/${of}/${i}`
      }))
    )
  const deep = "[".repeat(8_000_000)

  live(
    "whatever is in it, where as much is registered as may be",
    () =>
      Effect.gen(function* () {
        const leader = yield* start()
        const connect = (name: string) =>
          Bare.connect(`ws://127.0.0.1:${leader.port}/__ipc?runtimeId=${name}`, ["effect-ipc.1"])
        const ask = (peer: Bare.BarePeer, request: string) =>
          Effect.zipRight(
            peer.send(`r:1:discovery/${request}`),
            Effect.repeat(peer.next, { until: (text) => text.startsWith("s:1:") })
          )
        yield* Effect.forEach(
          Array.from({ length: 9 }, (_, i) => `full-${i}`),
          (name) => Effect.flatMap(connect(name), (peer) => ask(peer, `register:${entries(name)}`))
        )
        const peer = yield* connect("attacker")
        const requests: Record<string, string> = {
          register: `register:${entries("attacker")}`,
          "register again": `register:${entries("attacker")}`,
          "register what can't be": `register:${JSON.stringify(Array(1000).fill({ api: "a", baseUrl: "%".repeat(900), pathPrefix: "{" }))}`,
          "register what is deep": `register:${"[".repeat(1_000_000)}`,
          "discover what is deep": `discoverApi:${deep}`,
          "discover what isn't registered": 'discoverApi:"nobody"',
          routes: "routes:",
          watch: "watch:",
          "a page of an api": 'routePage:{"after":0,"watch":true,"all":true,"api":"full-8-999"}',
          "set a strategy": 'setStrategy:{"api":"full-8-999","strategy":"last"}',
          unregister: `unregister:${entries("attacker")}`
        }
        const shortest = new Map<string, number>()
        for (let round = 0; round < 5; round++) {
          for (const [what, request] of Object.entries(requests)) {
            yield* leader.longestTurn
            yield* ask(peer, request)
            // A collection of the garbage of what came before may fall into a turn.
            shortest.set(what, Math.min(shortest.get(what) ?? Number.POSITIVE_INFINITY, yield* leader.longestTurn))
          }
        }
        console.log(Array.from(shortest, ([what, millis]) => `${what} ${millis.toFixed(1)}`).join(", "))
        for (const [what, millis] of shortest) assert.isBelow(millis, 50, what)
      }),
    60_000
  )
})

/** The next answer; fails with what is left without one. */
const answered = (peer: Bare.BarePeer, left: ReadonlyMap<number, string>) =>
  Effect.raceFirst(
    peer.next,
    Effect.flatMap(peer.closed, ({ code, reason }) => Effect.fail(new Error(`closed ${code} ${reason}`)))
  ).pipe(
    Effect.timeoutFail({
      duration: "10 seconds",
      onTimeout: () =>
        new Error(
          `seed ${seed}: no answer to ${Array.from(left, ([id, request]) => `r:${id}:${request.slice(0, 200)}`).join("\n")}`
        )
    })
  )
