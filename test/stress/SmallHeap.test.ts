/**
 * A leader that has 256 MiB of heap, and what others do to it. None of it may end the leader, make its memory grow beyond
 * what its limits add up to, or keep a client that behaves from its answers.
 */
import * as http from "node:http"
import type * as net from "node:net"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import { NodeIPCClient } from "../../layers/index.js"
import { Register } from "../../src/discovery/DiscoveryProtocol.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import { behave, connect, entry, mib, start, writeToAll } from "../support/attackedLeader.js"
import * as Live from "../support/discovery.js"
import { listening } from "../support/listening.js"
import { frame, textFrame, upgraded } from "../support/rawFrames.js"

/** The tests attack one leader in turn: what one of them leaves behind is there in the next. */
class Leader extends Context.Tag("test/SmallHeap/Leader")<Leader, Effect.Effect.Success<ReturnType<typeof start>>>() {
  static readonly layer = Layer.mergeAll(
    Layer.scoped(Leader, start(["--max-old-space-size=256"])),
    Logger.minimumLogLevel(LogLevel.None)
  )
}

/** The most that may be held while the attack lasts: what the limits on bytes add up to, which the heap has to have room for. */
const mostHeld = 224 * mib

/** The most that may ever be resident: what is held, and as much again and more that is garbage until it is collected. */
const mostResident = 1024 * mib

/** What it may hold more than before when all is over: compiled code and grown tables. */
const mostKept = 16 * mib

const many = <A, E, R>(count: number, make: (i: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(
    Array.from({ length: count }, (_, i) => i),
    make,
    { concurrency: 20 }
  )

/** Attacks in a scope of its own while one client behaves; then the leader is as it was. */
const survives = <E>(
  attack: (leader: {
    readonly port: number
    readonly facade: number
    readonly ask: Effect.Effect<void, unknown>
  }) => Effect.Effect<unknown, E, Scope.Scope>
) =>
  Effect.gen(function* () {
    const leader = yield* Leader
    const good = yield* behave(leader)
    yield* good.ask
    const before = yield* leader.state
    const scope = yield* InnerScope.make
    yield* Scope.extend(attack({ port: leader.port, facade: leader.facade, ask: good.ask }), scope)
    yield* good.ask
    const during = yield* leader.state
    yield* Scope.close(scope, Exit.void)
    const { count, longest } = yield* good.stop
    yield* leader.becomes(
      ({ clients, routes, running }) => clients === before.clients && routes === before.routes && running === 0
    )
    // The buffers of a connection are collected some turns after its end. One that is kept stays, however often it is looked at.
    const after = yield* Effect.delay(leader.state, "50 millis").pipe(
      Effect.repeat({ until: ({ held }) => held - before.held < mostKept, times: 200 })
    )
    console.log(
      `${count} good rounds, the slowest ${longest} ms; held ${[before, during, after].map(({ held }) => (held / mib).toFixed(0)).join(" -> ")} MiB, ` +
        `resident ${[before, during, after].map(({ rss }) => (rss / mib).toFixed(0)).join(" -> ")} MiB, at most ${(after.peak / mib).toFixed(0)}; descriptors ${[before, during, after].map(({ descriptors }) => descriptors).join(" -> ")}`
    )
    assert.isBelow(during.held, mostHeld)
    assert.isBelow(after.peak, mostResident)
    assert.isBelow(after.held - before.held, mostKept)
  })

/** A service that streams for as long as the client reads. */
const endless = Effect.suspend(() => {
  const chunk = Buffer.alloc(64 * 1024)
  const server = http.createServer((request, response) => {
    if (request.url?.startsWith("/endless/events")) {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write("data: 1\n\n")
      return
    }
    const pour = () => {
      while (response.write(chunk));
      response.once("drain", pour)
    }
    pour()
  })
  return Effect.map(listening(server), (baseUrl) => ({ baseUrl, server }))
})

const withService = (port: number) =>
  Effect.gen(function* () {
    const { baseUrl, server } = yield* endless
    const client = yield* NodeIPCClient.make({ port, runtimeId: "service" })
    yield* client.request(Register, [yield* entry("endless", baseUrl)])
    return server
  })

/** JSON of no more than 15 MiB that takes many times that once it is parsed. */
const size = 15 * mib
const lists = "[".repeat(size / 2) + "]".repeat(size / 2)
const objects = `[${"{},".repeat(size / 3 - 1)}0]`
const numbers = `["",${"1.5,".repeat(size / 4 - 2)}0]`
const names = `{${Array.from({ length: 1_600_000 }, (_, i) => `"${i.toString(36)}":1`).join(",")}}`

/** What each is answered first, in any order. */
const statuses = (sockets: ReadonlyArray<net.Socket>) =>
  Effect.map(
    Effect.forEach(
      sockets,
      (socket) =>
        Effect.async<string>((resume) => {
          socket.once("data", (data) => resume(Effect.succeed(data.toString("latin1", 9, 12))))
          socket.resume()
        }),
      { concurrency: "unbounded" }
    ),
    (all) => all.sort()
  )

const get = (path: string) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)

layer(Leader.layer, { excludeTestServices: true })("A leader with a heap of 256 MiB", (it) => {
  it.scoped(
    "survives 200 clients that never read, each of which asks for 40 MiB",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const sockets = yield* many(200, (i) => upgraded(port, i % 2 === 0 ? undefined : "effect-ipc.1"))
          for (const socket of sockets) socket.pause()
          yield* writeToAll(
            sockets,
            Array.from({ length: 40 }, (_, i) => textFrame(`r:${i + 1}:blob:${mib}`)),
            ask
          )
        })
      ),
    60_000
  )

  it.scoped(
    "survives 200 clients that never read what they had repeated back",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const sockets = yield* many(200, () => upgraded(port))
          for (const socket of sockets) socket.pause()
          const text = JSON.stringify("r".repeat(4 * mib))
          yield* writeToAll(
            sockets,
            Array.from({ length: 3 }, (_, i) => textFrame(`r:${i + 1}:repeatBack:${text}`)),
            ask
          )
        })
      ),
    60_000
  )

  it.scoped(
    "survives 200 clients that stall in the middle of a large frame",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const sockets = yield* many(200, () => upgraded(port))
          const head = frame(Buffer.from("r:1:repeatBack:"), { toldLength: 16 * mib })
          yield* writeToAll(sockets, [head, ...Array(10).fill(Buffer.alloc(mib, " "))], ask)
        })
      ),
    60_000
  )

  it.scoped(
    "survives frames of 15 MiB that would take many times that once they are parsed",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          for (const text of [lists, objects, numbers, names]) {
            for (const name of ["hang", "repeatBack"]) {
              yield* writeToAll(yield* many(3, () => upgraded(port)), [textFrame(`r:1:${name}:${text}`)], ask)
            }
          }
        })
      ),
    120_000
  )

  it.scoped(
    "survives such bodies to routes, with Effect and with promises, and refuses what it has no room for",
    () =>
      survives(({ ask, facade, port }) =>
        Effect.forEach(
          [
            [port, "/route/hang", "application/json"],
            [facade, "/hang", "application/json"],
            [facade, "/hang", "text/plain"]
          ] as const,
          ([at, path, type]) =>
            Effect.gen(function* () {
              const send = (text: string) =>
                Effect.gen(function* () {
                  const sockets = yield* many(2, () => connect(at))
                  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${text.length}\r\n\r\n`
                  yield* writeToAll(sockets, [Buffer.from(head + text)], ask)
                  return sockets
                })
              assert.deepStrictEqual(yield* statuses(yield* send(names)), ["413", "413"])
              // Of two there is room for one, which runs.
              const sockets = yield* send(numbers)
              const [refused] = yield* Effect.raceAll(sockets.map((socket) => statuses([socket])))
              assert.strictEqual(refused, "503")
              if (at === facade) assert.strictEqual(yield* Live.get(facade, "/end"), "200 ")
              for (const socket of sockets) socket.destroy()
            })
        )
      ),
    120_000
  )

  it.scoped(
    "survives 200 HTTP clients that never read what a service streams",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          yield* withService(port)
          const sockets = yield* many(200, () => connect(port))
          yield* writeToAll(sockets, [get("/endless/")], ask)
        })
      ),
    60_000
  )

  it.scoped(
    "survives 200 HTTP clients that never read a route's answers of 4 MiB",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const sockets = yield* many(200, () => connect(port))
          yield* writeToAll(sockets, Array(2).fill(get(`/route/blob/${4 * mib}`)), ask)
        })
      ),
    60_000
  )

  it.scoped(
    "survives 200 uploads to a route that stall",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const sockets = yield* many(200, () => connect(port))
          const head = Buffer.from(
            `POST /route/length HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${15 * mib}\r\n\r\n`
          )
          yield* writeToAll(sockets, [head, ...Array(8).fill(Buffer.alloc(mib))], ask)
        })
      ),
    60_000
  )

  it.scoped(
    "survives 10,000 requests pipelined to a service by a client that goes, and ends those under way there",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const service = yield* withService(port)
          const socket = yield* connect(port)
          yield* writeToAll([socket], Array(100).fill(Buffer.concat(Array(100).fill(get("/endless/events")))), ask)
          socket.destroy()
          yield* Live.until(
            Effect.async<number>((resume) => void service.getConnections((_, count) => resume(Effect.succeed(count)))),
            (count) => count === 0
          )
        })
      ),
    60_000
  )

  it.scoped(
    "survives 10,000 requests pipelined to a route by a client that goes",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const socket = yield* connect(port)
          yield* writeToAll([socket], Array(100).fill(Buffer.concat(Array(100).fill(get("/route/hang")))), ask)
        })
      ),
    60_000
  )

  it.scoped(
    "survives 10,000 IPC requests that hang, of a client that goes",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const socket = yield* upgraded(port)
          const frames = Array.from({ length: 10_000 }, (_, i) => textFrame(`r:${i + 1}:hang:`))
          yield* writeToAll([socket], [Buffer.concat(frames)], ask)
        })
      ),
    60_000
  )

  /** Frames of so many registrations with so many entries each, none of which is like another. */
  const registrations = (of: string, frames: number, entries: number, baseUrl = "http://127.0.0.1:1") =>
    Array.from({ length: frames }, (_, i) => {
      const list = Array.from({ length: entries }, (_, j) => {
        const api = `${of}-${i}-${j}`
        return { api, baseUrl, pathPrefix: `/${api}` }
      })
      return textFrame(`r:${i + 1}:discovery/register:${JSON.stringify(list)}`)
    })
  const longUrl = `http://127.0.0.1:1/${"u".repeat(1900)}`

  it.scoped(
    "survives a client that registers entries without end",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const socket = yield* upgraded(port)
          yield* writeToAll([socket], registrations("many", 150, 1000), ask)
        })
      ),
    60_000
  )

  it.scoped(
    "survives a client that registers entries as long as they may be, and longer",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const valid = yield* upgraded(port)
          yield* writeToAll([valid], registrations("long", 25, 2000, longUrl), ask)
          const invalid = yield* many(8, () => upgraded(port))
          yield* writeToAll(invalid, registrations("endless", 4, 1, `http://127.0.0.1:1/${"u".repeat(8 * mib)}`), ask)
        })
      ),
    60_000
  )

  it.scoped(
    "survives 300 clients that register, while 50 watch and never read",
    () =>
      survives(({ ask, port }) =>
        Effect.gen(function* () {
          const watching = yield* many(50, (i) => upgraded(port, "effect-ipc.1", `watcher-${i}`))
          for (const socket of watching) socket.pause()
          yield* writeToAll(watching, [textFrame("r:1:discovery/watch:")], ask)
          const registering = yield* many(300, () => upgraded(port))
          yield* Effect.forEach(registering, (socket, i) =>
            writeToAll([socket], registrations(`of-${i}`, 2, 100, longUrl), Effect.void)
          )
          yield* ask
        })
      ),
    60_000
  )

  it.scoped("has warned of nothing, and ends when told", () => Effect.flatMap(Leader, ({ end }) => end))
})
