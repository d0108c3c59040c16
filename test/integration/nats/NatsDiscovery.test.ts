import { assert, describe } from "@effect/vitest"
import { jetstream, jetstreamManager, type StreamConfig } from "@nats-io/jetstream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as NatsConnection from "../../../layers/nats/NatsConnection.js"
import * as NatsDiscovery from "../../../layers/nats/NatsDiscovery.js"
import type { LeaderElection } from "../../../src/LeaderElection.js"
import { becomes } from "../../support/discovery.js"
import { live, told } from "../../support/live.js"
import { join, knows } from "../../support/NatsParticipants.js"
import * as NatsServer from "../../support/NatsServer.js"

const users = { api: "users", baseUrl: "http://10.0.0.1:4001", pathPrefix: "/users" }
const orders = { api: "orders", baseUrl: "http://10.0.0.2:4002", pathPrefix: "/orders" }

const tokenOf = (election: LeaderElection.Service) =>
  Effect.map(
    election.term,
    Option.getOrElse(() => 0)
  )

describe("Participants on NATS", () => {
  live("find each other's entries, which go with their owner's scope; one leads, and hands over", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const a = yield* join({ servers: url, runtimeId: "a" })
      const b = yield* join({ servers: url, runtimeId: "b" })
      assert.deepStrictEqual([yield* a.election.role, yield* b.election.role], ["leader", "follower"])
      yield* a.discovery.register(users)
      yield* b.discovery.register([users, orders])
      yield* knows(a.discovery, ["a users", "b orders", "b users"])
      yield* knows(b.discovery, ["a users", "b orders", "b users"])
      assert.strictEqual(yield* a.discovery.discover("orders"), orders.baseUrl)
      assert.strictEqual((yield* told(a.discovery.discover("user"))).tag, "ServiceNotRegistered")
      yield* b.discovery.unregister(users)
      yield* knows(a.discovery, ["a users", "b orders"])
      const first = yield* tokenOf(a.election)
      yield* a.leave
      yield* becomes(b.election, "leader")
      yield* knows(b.discovery, ["b orders"])
      assert.isAbove(yield* tokenOf(b.election), first)
    })
  )

  live(
    "all register again, and one leads, after the server was killed and started again",
    () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.start()
        const a = yield* join({ servers: server.url, runtimeId: "a" })
        const b = yield* join({ servers: server.url, runtimeId: "b" })
        yield* a.discovery.register(users)
        yield* b.discovery.register(orders)
        yield* knows(a.discovery, ["a users", "b orders"])
        yield* server.kill
        yield* becomes(a.election, "electing")
        assert.strictEqual((yield* told(b.discovery.register(users, { timeout: "100 millis" }))).tag, "RequestTimeout")
        // What is known stays known.
        assert.strictEqual(yield* a.discovery.discover("orders"), orders.baseUrl)
        yield* server.restart
        yield* Effect.race(becomes(a.election, "leader"), becomes(b.election, "leader"))
        yield* knows(a.discovery, ["a users", "b orders"])
        yield* knows(b.discovery, ["a users", "b orders"])
        const c = yield* join({ servers: server.url, runtimeId: "c" })
        yield* knows(c.discovery, ["a users", "b orders"])
      }),
    30_000
  )

  live("need no read of a key, which a replica that lags behind might answer, and leave no watch behind", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start({
        config: `authorization { users: [{ user: "u", password: "p", permissions: { publish: {
          allow: ["$KV.effect-ipc-default.>", "$JS.API.INFO", "$JS.API.STREAM.CREATE.KV_effect-ipc-default",
            "$JS.API.STREAM.INFO.KV_effect-ipc-default", "$JS.API.CONSUMER.*.KV_effect-ipc-default.>",
            "$JS.API.CONSUMER.CREATE.KV_effect-ipc-default", "$JS.FC.>"] }, subscribe: { allow: ["_INBOX.>"] } } }] }`
      })
      const servers = url
      const credentials = { user: "u", password: Redacted.make("p") }
      const a = yield* join({ servers, credentials, runtimeId: "a" })
      yield* a.discovery.register(users)
      for (let round = 0; round < 3; round++) {
        const other = yield* join({ servers, credentials, runtimeId: `other-${round}` })
        yield* knows(other.discovery, ["a users"])
        yield* other.leave
      }
      const connection = yield* NatsConnection.make({ servers, credentials }, "test")
      const manager = yield* Effect.promise(() => jetstreamManager(connection))
      const watches = Effect.promise(() => manager.streams.info("KV_effect-ipc-default")).pipe(
        Effect.map(({ state }) => state.consumer_count)
      )
      yield* Effect.repeat(watches, { until: (count) => count === 1, schedule: Schedule.spaced("20 millis") })
    })
  )

  live("advertise a host in place of a loopback one, and register none without", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const local = { ...users, baseUrl: "http://127.0.0.1:4001" }
      const a = yield* join({ servers: url, runtimeId: "a" })
      const isLocal = `only this machine reaches its baseUrl; set IPC_ADVERTISE, or pass { advertise }, with the host by which other machines reach this one, such as "10.0.0.7" or "shop-1.example"`
      for (const host of [
        "127.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost.",
        "a.LOCALHOST",
        "0.0.0.0"
      ]) {
        const baseUrl = new URL(`http://${host}:4001`).origin
        assert.deepStrictEqual(yield* told(a.discovery.register({ ...users, baseUrl: `http://${host}:4001` })), {
          tag: "InvalidEntry",
          message: `The entry {"api":"users","baseUrl":"${baseUrl}","pathPrefix":"/users"} can't be registered: ${isLocal}. An entry looks like {"api":"users","baseUrl":"http://host:4001","pathPrefix":"/users"}.`
        })
      }
      const b = yield* join({ servers: url, runtimeId: "b", advertise: "10.0.0.9" })
      yield* b.discovery.register(local)
      yield* knows(a.discovery, ["b users"])
      assert.strictEqual(yield* a.discovery.discover("users"), "http://10.0.0.9:4001")
      const c = yield* join({ servers: url, runtimeId: "c", advertise: "fd00::9" })
      yield* c.discovery.register({ ...orders, baseUrl: "http://[::1]:4002/base" })
      yield* knows(a.discovery, ["b users", "c orders"])
      assert.strictEqual(yield* a.discovery.discover("orders"), "http://[fd00::9]:4002/base")
    })
  )

  live("have names that a subject can't carry, and none that reaches beyond its own", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const names = ["a.b.*", "> ", "ü\u{1f600}", "$KV"]
      const members = yield* Effect.forEach(names, (runtimeId) => join({ servers: url, runtimeId }))
      for (const { discovery } of members) yield* discovery.register({ ...users, api: "any * > thing." })
      for (const { discovery } of members) {
        yield* knows(discovery, names.map((name) => `${name} any * > thing.`).sort())
      }
    })
  )
})

describe("What NATS lacks is a typed failure", () => {
  const failing = (options: NatsDiscovery.NatsDiscoveryOptions) =>
    Effect.map(Effect.flip(Effect.scoped(NatsDiscovery.make(options))), ({ reason }) => reason)

  live("of options, each says which value is wrong, and what one is that isn't", () =>
    Effect.gen(function* () {
      const said = (options: object) =>
        Effect.map(
          Effect.flip(Effect.scoped(NatsDiscovery.make({ servers: "nats://127.0.0.1:1", ...options }))),
          ({ detail, message, reason }) => {
            assert.strictEqual(reason, "InvalidOptions")
            assert.include(message, detail)
            return detail
          }
        )
      const host = (value: string) =>
        `advertise is a host name or an IP address alone, such as "10.0.0.7" or "shop-1.example", not ${value}`
      const local = (value: string) =>
        `advertise is the host by which other machines reach this one, such as "10.0.0.7" or "shop-1.example", and ${value} leads each to itself`
      const secret = (name: string, kind: string) =>
        `${name} of its credentials is a secret: pass Redacted.make(...) of a string, not ${kind}`
      const runtimeId = "a runtimeId has at most 256 characters and no control characters"
      const issues: ReadonlyArray<readonly [object, string]> = [
        ...[
          "",
          " ",
          "10.0.0.9:80",
          "http://10.0.0.9",
          "host/x",
          "my host",
          "::1x",
          "a..b",
          "u@h",
          "[::2]:80",
          "-a",
          "1.2.3.4.5"
        ].map((advertise) => [{ advertise }, host(JSON.stringify(advertise))] as const),
        [{ advertise: 7 }, host("7")],
        ...[
          "localhost",
          "LocalHost.",
          "a.localhost",
          "127.9.9.9",
          "127.1",
          "0x7f000001",
          "::1",
          "[::1]",
          "::ffff:127.0.0.1",
          "0.0.0.0",
          "0",
          "::"
        ].map((advertise) => [{ advertise }, local(JSON.stringify(advertise))] as const),
        [{ runtimeId: "x".repeat(257) }, runtimeId],
        [{ runtimeId: "a\nb" }, runtimeId],
        [{ runtimeId: 7 }, "runtimeId is a string, not a number"],
        [{ servers: 4222 }, 'servers is "nats://host:port", or an array of such, not 4222'],
        [{ servers: null }, 'servers is "nats://host:port", or an array of such, not null'],
        [{ servers: ["nats://h:1", 7] }, 'servers is "nats://host:port", or an array of such, not 7'],
        [{ servers: [] }, "there is no server in { servers }"],
        [{ credentials: { password: "p" } }, secret("password", "a string")],
        [{ credentials: { token: 7 } }, secret("token", "a number")],
        [{ credentials: { nkeySeed: Redacted.make(7) } }, secret("nkeySeed", "an object")],
        [{ credentials: { user: 7 } }, "user of its credentials is a string, not a number"],
        [{ credentials: { credsFile: 7 } }, "credsFile of its credentials is a string, not a number"],
        [{ credentials: { tls: { caFile: 7 } } }, "caFile of its credentials is a string, not a number"],
        [
          { credentials: "u" },
          "credentials is an object of user, password, token, nkeySeed, credsFile, tls, not a string"
        ],
        [{ replicas: 0 }, "replicas is a whole number from 1 to 5, not 0"],
        [{ replicas: 1.5 }, "replicas is a whole number from 1 to 5, not 1.5"],
        [{ replicas: 9 }, "replicas is a whole number from 1 to 5, not 9"],
        [{ replicas: "3" }, 'replicas is a whole number from 1 to 5, not "3"'],
        [{ lease: "10 millis" }, "lease is from a second to an hour, not 10ms"],
        [{ lease: Number.POSITIVE_INFINITY }, "lease is from a second to an hour, not Infinity"],
        [{ lease: "soon" }, 'lease is a duration, such as "20 millis" or a number of milliseconds, not "soon"'],
        [{ heartbeat: "soon" }, 'heartbeat is a duration, such as "20 millis" or a number of milliseconds, not "soon"'],
        [
          { connectTimeout: {} },
          'connectTimeout is a duration, such as "20 millis" or a number of milliseconds, not an object'
        ],
        [{ namespace: 7 }, "namespace is a string, not a number"],
        [{ namespace: "a.b" }, 'the namespace "a.b" has other than letters, digits, "-" and "_", or more than 64'],
        [{ limits: 7 }, "limits is an object of maxEntriesPerParticipant, maxEntries, maxEntryBytes, not a number"]
      ]
      const details = yield* Effect.forEach(issues, ([options]) => said(options))
      assert.deepStrictEqual(
        details,
        issues.map(([, detail]) => detail)
      )
    })
  )

  live("a server that takes too little in one message", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start({ config: "max_payload: 1000" })
      const { detail, reason } = yield* Effect.flip(Effect.scoped(NatsDiscovery.make({ servers: url })))
      const issue =
        "the server's max_payload is 1000 bytes, and has to be at least 1024: change it in the server's configuration"
      assert.deepStrictEqual([reason, detail], ["InvalidOptions", issue])
    })
  )

  live(
    "no server, no such user, no JetStream, too few replicas, options that can't be",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.start()
        const bare = yield* NatsServer.start({ jetStream: false })
        const guarded = yield* NatsServer.start({ config: `authorization { user: "u", password: "p" }` })
        const credentials = { user: "u", password: Redacted.make("wrong") }
        assert.deepStrictEqual(
          yield* Effect.all([
            failing({ servers: "nats://127.0.0.1:1" }),
            failing({ servers: guarded.url, credentials }),
            failing({ servers: bare.url }),
            failing({ servers: url, replicas: 3 }),
            failing({ servers: url, namespace: "a.>" }),
            failing({ servers: url, lease: "10 millis" })
          ]),
          ["Unreachable", "Refused", "NoJetStream", "TooFewReplicas", "InvalidOptions", "InvalidOptions"]
        )
      }),
    30_000
  )

  live(
    "a bucket that refuses writes or watches, or has settings that participants can't do with",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.start({
          config: `authorization { users: [{ user: "all", password: "p" },
            { user: "reader", password: "p", permissions: { publish: { allow: ["$JS.>"] } } },
            { user: "writer", password: "p", permissions: { publish: { deny: ["$JS.API.CONSUMER.>"] } } }] }`
        })
        const as = (user: string) => ({ servers: url, credentials: { user, password: Redacted.make("p") } })
        const connection = yield* NatsConnection.make(as("all"), "test")
        const manager = yield* Effect.promise(() => jetstreamManager(connection))
        const add = (namespace: string, config: Partial<StreamConfig>) => {
          const name = `effect-ipc-${namespace}`
          const subjects = [`$KV.${name}.>`]
          return Effect.promise(() => manager.streams.add({ name: `KV_${name}`, subjects, discard: "new", ...config }))
        }
        yield* add("small", { max_msg_size: 64 })
        yield* add("other", { subjects: ["other"] })
        yield* add("brief", { max_age: 3_000_000_000 })
        yield* add("full", { max_msgs: 1 })
        yield* Effect.promise(() => jetstream(connection).publish("$KV.effect-ipc-full.x"))
        const failure = (options: NatsDiscovery.NatsDiscoveryOptions) =>
          Effect.flip(Effect.scoped(NatsDiscovery.make({ ...as("all"), ...options })))
        const failures = yield* Effect.all(
          [
            failure(as("reader")),
            failure(as("writer")),
            ...["small", "other", "brief", "full"].map((namespace) => failure({ namespace }))
          ],
          { concurrency: "unbounded" }
        ).pipe(Effect.timeout("20 seconds"))
        assert.deepStrictEqual(
          failures.map(({ reason }) => reason),
          ["Refused", "Refused", "UnsuitableBucket", "UnsuitableBucket", "UnsuitableBucket", "UnsuitableBucket"]
        )
        assert.include(failures[4]?.message, `"nats stream edit KV_effect-ipc-brief --max-age=3600000ms"`)
      }),
    30_000
  )
})

describe("Two participants of one name", () => {
  live("have it one after the other", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const first = yield* join({ servers: url, runtimeId: "worker" })
      yield* first.discovery.register(users)
      const second = yield* join({ servers: url, runtimeId: "worker" })
      yield* second.discovery.register(orders)
      yield* knows(first.discovery, ["worker orders"])
      const failed = yield* Effect.flip(first.discovery.register({ ...users, api: "more" }, { timeout: "100 millis" }))
      assert.include(failed.message, "another process takes part as worker")
      yield* second.leave
      yield* knows(first.discovery, ["worker users"])
    })
  )
})
