import { assert, describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as NatsBucket from "../../../layers/nats/NatsBucket.js"
import * as NatsConnection from "../../../layers/nats/NatsConnection.js"
import * as NatsDiscovery from "../../../layers/nats/NatsDiscovery.js"
import { Discovery } from "../../../src/Discovery.js"
import { IPCServer } from "../../../src/IPCServer.js"
import { LeaderElection } from "../../../src/LeaderElection.js"
import { entryKey, ownerKey } from "../../../src/lease/OwnerRoutes.js"
import * as ServiceServer from "../../../src/ServiceServer.js"
import * as Cli from "../../support/Cli.js"
import { live } from "../../support/live.js"
import * as NatsServer from "../../support/NatsServer.js"

const Get = IPCServer.defineRequest<{ readonly id: number }, { readonly name: string }>("users/get")
const Names = IPCServer.defineStream<number, string>("users/names")

const orders = { api: "orders", baseUrl: "http://10.0.0.2:4002", pathPrefix: "/orders" }

/** What a process leaves in the bucket that was killed. */
const leaveRecords = (servers: string) =>
  Effect.gen(function* () {
    const connection = yield* NatsConnection.make({ servers }, "test")
    const bucket = yield* NatsBucket.open(connection, { servers, name: "effect-ipc-default", answerTimeout: 2000 })
    yield* bucket.write(ownerKey("dead"), JSON.stringify({ run: "s", every: 100 }), 0)
    yield* bucket.write(entryKey("dead", 0), JSON.stringify({ run: "s", entry: { ...orders, kind: "http" } }), 0)
  })

describe("The command on NATS", () => {
  live(
    "lists what living participants have registered, and asks their services, without taking part",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.start()
        const services = yield* NatsDiscovery.make({ servers: url, runtimeId: "a", lease: "1 second" })
        const discovery = Context.get(services, Discovery)
        const served = ServiceServer.make("users", (server) =>
          Effect.all([
            server.handle(Get, ({ id }) => Effect.succeed({ name: `user ${id}` })),
            server.handleStream(Names, (count) => Stream.map(Stream.range(1, count), (n) => `user ${n}`))
          ])
        )
        yield* Effect.provideService(served, Discovery, discovery)
        yield* leaveRecords(url)
        const run = (...words: ReadonlyArray<string>) => Cli.run([...words, "--nats", url])
        const answers = yield* Effect.all(
          [
            run("routes"),
            run("request", "users", "users/get", '{"id":1}', "--timeout", "30"),
            run("stream", "users", "users/names", "2", "--timeout", "30"),
            run("request", "users", "users/none", "--timeout", "30"),
            run("routes", "--namespace", "other"),
            run("routes", "--namespace", "a.b"),
            Cli.run(["routes", "--namespace", "shop"]),
            Cli.run(["routes", "--nats", "nats://u:secret@127.0.0.1:1"])
          ],
          { concurrency: 3 }
        )
        const unnamed = (text: string) => text.replaceAll(/nats\/[0-9a-f-]{36}/g, "nats/ID").replaceAll(url, "URL")
        assert.deepStrictEqual(
          answers.map(({ exit, stderr, stdout }) => [exit, unnamed(stdout), unnamed(stderr)]),
          [
            [
              0,
              `API    PREFIX  INSTANCE                                          OWNER  STRATEGY\nusers  ipc     http://nats/ID  a      roundRobin`,
              ""
            ],
            [0, '{"name":"user 1"}', ""],
            [0, '"user 1"\n"user 2"', ""],
            [
              1,
              "",
              'effect-ipc: users at http://nats/ID has no handler for request "users/none". Register one there before the request is made.'
            ],
            [
              1,
              "",
              "effect-ipc: NATS at URL can't be used: no participant has joined the namespace yet. Check --nats and --namespace."
            ],
            [
              1,
              "",
              'effect-ipc: NATS at URL can\'t be used: the namespace "a.b" has other than letters, digits, "-" and "_", or more than 64. Check --nats and --namespace.'
            ],
            [2, "", 'effect-ipc: --namespace "shop" is one on NATS: pass --nats, too. Try "effect-ipc routes --help".'],
            [
              1,
              "",
              "effect-ipc: NATS at nats://127.0.0.1:1 can't be used: connection refused. Is a server running, and is --nats right?"
            ]
          ]
        )
        assert.deepStrictEqual(
          (yield* discovery.routes).map(({ owner }) => owner),
          ["a"]
        )
        assert.strictEqual(yield* Context.get(services, LeaderElection).role, "leader")
      }),
    60_000
  )

  live(
    "prints what comes and goes, until it is stopped",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.start()
        const services = yield* NatsDiscovery.make({ servers: url, runtimeId: "a", lease: "1 second" })
        const watching = yield* Cli.start(["routes", "--watch", "--nats", url])
        yield* watching.stdout.line("No service is registered at namespace default.")
        const scope = yield* Scope.make()
        yield* Scope.extend(Context.get(services, Discovery).register(orders), scope)
        yield* watching.stdout.line("+  orders  /orders  http://10.0.0.2:4002  a")
        yield* Scope.close(scope, Exit.void)
        yield* watching.stdout.line("-  orders  /orders  http://10.0.0.2:4002  a")
        yield* watching.signal("SIGINT")
        assert.deepStrictEqual([yield* watching.exit, watching.stderr.lines], [0, []])
      }),
    30_000
  )
})
