/**
 * The clients: IPC clients that stay, some of which lose their connection again and again; IPC clients that come and
 * go; HTTP and WebSocket clients that are served, that go away at any moment, and that never read.
 */
import * as http from "node:http"
import * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import * as NodeIPCClient from "../../../../layers/NodeIPCClient.js"
import { DiscoverApi } from "../../../../src/discovery/DiscoveryProtocol.js"
import type { IPCClient } from "../../../../src/IPCClient.js"
import { textFrame, upgraded, write } from "../../../support/rawFrames.js"
import { failing } from "../Counts.js"
import { echo, request, unread } from "../Exchange.js"
import { eachRequest } from "../eachRequest.js"
import { AskBack, ClientEcho, ClientWork, Echo, News, Progress, Typed, Work } from "../requests.js"
import * as Sampled from "../Sampled.js"

const [gatewayPort, electionPort, seed] = process.argv.slice(2) as [string, string, string]
const port = Number(gatewayPort)
const random = new PCGRandom(Number(seed))
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })
const upload = Buffer.alloc(100_000, "u")
const long = "l".repeat(50_000)

/** Passes connections on to the gateway; `cut` ends all of them. */
const relay = Effect.async<{ readonly port: number; readonly cut: () => void }>((resume) => {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const there = net.connect(port, "127.0.0.1")
    for (const [one, other] of [
      [client, there],
      [there, client]
    ] as const) {
      sockets.add(one)
      one.on("error", () => {})
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ port: (server.address() as net.AddressInfo).port, cut })))
})

const connect = (options: NodeIPCClient.NodeIPCClientOptions) =>
  Effect.gen(function* () {
    const client = yield* NodeIPCClient.make(options)
    yield* client.handle(ClientEcho, (text) => Effect.as(Effect.sync(eachRequest), text))
    yield* client.handle(ClientWork, (millis) => Effect.as(Effect.sleep(millis), "done"))
    yield* client.handle(News, () => Effect.void)
    return client
  })

Sampled.run(({ counts, paused, repeat }) =>
  Effect.gen(function* () {
    const { cut, port: relayPort } = yield* relay
    const staying = yield* Effect.forEach([port, port, port, relayPort, relayPort], (to, i) =>
      connect({ port: to, runtimeId: `client-${i}` })
    )
    const ofLeaders = yield* connect({ port: Number(electionPort), runtimeId: "asks-leaders" })

    const expect = <E>(what: Effect.Effect<unknown, E>, right: unknown) =>
      Effect.flatMap(what, (answer) =>
        answer === right ? Effect.void : Effect.dieMessage(`${String(answer).slice(0, 100)} instead of ${right}`)
      )
    const pick = <A>(all: ReadonlyArray<A>): A => all[random.integer(all.length)] as A
    const aborted = (what: Effect.Effect<void>, within: number) => Effect.timeoutOption(what, random.integer(within))
    /** Holds what never reads for a while. */
    const hold = Effect.suspend(() => Effect.raceFirst(paused, Effect.sleep(500 + random.integer(1000))))

    const ipc = (client: IPCClient.Service): ReadonlyArray<() => Effect.Effect<unknown>> => [
      () => counts.track("client: request", expect(client.request(Echo, "there and back"), "there and back")),
      () => counts.track("client: large request", expect(client.request(Echo, long), long)),
      () => counts.track("client: asked back", expect(client.request(AskBack, 7), "7")),
      () => counts.track("client: typed", client.request(Typed, { id: 2 })),
      () => counts.track("client: typed failure", failing(client.request(Typed, { id: 1 }), "Refused")),
      () => counts.track("client: notify", client.notify(Progress, 1)),
      () => aborted(counts.track("client: aborted", client.request(Work, 20)), 20)
    ]
    const viaGateway = (path: string, body?: Buffer) =>
      request({
        port,
        path,
        agent,
        method: body === undefined ? "GET" : "POST",
        ...(body === undefined ? {} : { body })
      })
    const length = (text: Effect.Effect<string, { readonly _tag: string }>) => Effect.map(text, (all) => all.length)

    const overHttp: ReadonlyArray<() => Effect.Effect<unknown>> = [
      () => counts.track("http: proxied", expect(viaGateway("/svc/small"), "small")),
      () => counts.track("http: upload", expect(length(viaGateway("/svc/upload", upload)), upload.length)),
      () => counts.track("http: download", expect(length(viaGateway("/svc/download?count=8")), 8 * 65_536)),
      () => counts.track("http: events", expect(length(viaGateway("/svc/events?count=5")), 60)),
      () => counts.track("http: route", expect(viaGateway("/route/echo", upload), `{"length":${upload.length}}`)),
      () => counts.track("http: route, slow", viaGateway("/route/work/10")),
      () => counts.track("http: no route", failing(viaGateway("/none"), "404")),
      () => aborted(counts.track("http: upload aborted", viaGateway("/svc/upload", upload)), 10),
      () => aborted(counts.track("http: download aborted", viaGateway("/svc/download?count=64")), 20),
      () => aborted(counts.track("http: events aborted", viaGateway("/svc/events?count=20")), 40),
      () => aborted(counts.track("http: route aborted", viaGateway("/route/work/20")), 20)
    ]
    const overWebSocket: ReadonlyArray<() => Effect.Effect<unknown>> = [
      () => counts.track("ws: echo", echo(port, "/svc/ws", ["one", "two", "three"])),
      () => aborted(counts.track("ws: aborted", echo(port, "/svc/ws", Array(50).fill("again"))), 20),
      () => counts.track("ws: no route", failing(echo(port, "/none", ["one"]), "Unexpected server response: 404"))
    ]
    const comeAndGo: ReadonlyArray<() => Effect.Effect<unknown>> = [
      () =>
        counts.track(
          "client: come and go",
          Effect.scoped(
            Effect.flatMap(connect({ port, runtimeId: `passing-${random.integer(4)}`, reconnect: false }), (client) =>
              client.request(Echo, "passing")
            )
          )
        ),
      () =>
        counts.track(
          "http: pipelined, then gone",
          Effect.scoped(
            Effect.gen(function* () {
              const socket = yield* unread(port)
              yield* write(socket, Buffer.from("GET /svc/work?count=10 HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50)))
              yield* Effect.sleep(random.integer(30))
            })
          )
        )
    ]
    const neverRead: ReadonlyArray<() => Effect.Effect<unknown>> = [
      () =>
        counts.track(
          "http: never read",
          Effect.scoped(
            Effect.gen(function* () {
              const socket = yield* unread(port)
              yield* write(socket, Buffer.from("GET /svc/download?count=2000 HTTP/1.1\r\nHost: localhost\r\n\r\n"))
              yield* hold
            })
          )
        ),
      () =>
        counts.track(
          "client: never read",
          Effect.scoped(
            Effect.gen(function* () {
              const socket = yield* Effect.mapError(upgraded(port), ({ message }) => ({ _tag: message }))
              socket.pause()
              const asked = Array.from({ length: 20 }, (_, i) => textFrame(`r:${i + 1}:load/blob:1000000`))
              // As far as the gateway reads them.
              yield* Effect.forkScoped(write(socket, Buffer.concat(asked)))
              yield* hold
            })
          )
        )
    ]
    const election: ReadonlyArray<() => Effect.Effect<unknown>> = [
      () => counts.track("leaders: http", expect(request({ port: Number(electionPort), path: "/svc/small" }), "small")),
      () => counts.track("leaders: ws", echo(Number(electionPort), "/svc/ws", ["one"])),
      () => counts.track("leaders: request", ofLeaders.request(DiscoverApi, "svc"))
    ]

    const pause = (most: number) => Effect.suspend(() => Effect.sleep(random.integer(most)))
    const keepOn = (
      fibers: number,
      most: number,
      choose: () => ReadonlyArray<() => Effect.Effect<unknown>>
    ): Effect.Effect<void> =>
      repeat(
        fibers,
        Effect.zipRight(
          Effect.suspend(() => pick(choose())()),
          pause(most)
        )
      )
    yield* keepOn(8, 40, () => ipc(pick(staying)))
    yield* keepOn(8, 40, () => overHttp)
    yield* keepOn(3, 60, () => overWebSocket)
    yield* keepOn(2, 60, () => comeAndGo)
    yield* keepOn(2, 60, () => neverRead)
    yield* keepOn(3, 40, () => election)
    return { cut: Effect.sync(cut) }
  }).pipe(Scope.extend(Effect.runSync(Scope.make())))
)
