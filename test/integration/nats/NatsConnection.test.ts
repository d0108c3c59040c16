import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { type NatsConnection as Connection, connect, credsAuthenticator, nkeys } from "@nats-io/transport-node"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as NatsBucket from "../../../layers/nats/NatsBucket.js"
import * as NatsConnection from "../../../layers/nats/NatsConnection.js"
import * as NatsDiscovery from "../../../layers/nats/NatsDiscovery.js"
import type { NatsConnectionOptions } from "../../../layers/nats/NatsOptions.js"
import { authority, forAddress, forName } from "../../support/Certificates.js"
import { live } from "../../support/live.js"
import * as NatsOperator from "../../support/NatsOperator.js"
import * as NatsServer from "../../support/NatsServer.js"
import { untilSo } from "../../support/turns.js"

/** How the connection fails, or that it opens. */
const outcome = (options: NatsConnectionOptions) =>
  Effect.scoped(NatsConnection.make(options, "test")).pipe(
    Effect.match({ onSuccess: () => "open", onFailure: ({ reason }) => reason })
  )

/** What a failure says of the connection, without the hint. */
const refusal = (options: NatsConnectionOptions) =>
  Effect.scoped(NatsConnection.make(options, "test")).pipe(
    Effect.match({ onSuccess: () => "open", onFailure: ({ detail, reason }) => `${reason}: ${detail}` })
  )

/** As a program that reads its options from these variables. */
const outcomeOf = (variables: Readonly<Record<string, string>>) =>
  Effect.flatMap(NatsDiscovery.config, outcome).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
  )

const files = <Name extends string>(contents: Readonly<Record<Name, string>>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ipc-nats-files-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    ),
    (directory): Readonly<Record<Name, string>> => {
      const paths = Object.entries<string>(contents).map(([name, content]) => {
        const path = join(directory, name)
        writeFileSync(path, content)
        return [name, path]
      })
      return Object.fromEntries(paths)
    }
  )

const connectedWith = (servers: string, credentials: string) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      connect({
        servers,
        authenticator: credsAuthenticator(new TextEncoder().encode(credentials)),
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100
      })
    ),
    (open) => Effect.promise(() => open.close())
  )

/** That it has connected again, from now on. */
const connectedAgain = async (connection: Connection): Promise<void> => {
  for await (const { type } of connection.status()) if (type === "reconnect") return
}

const users = nkeys.createUser()
const seed = new TextDecoder().decode(users.getSeed())
const otherSeed = new TextDecoder().decode(nkeys.createUser().getSeed())

describe("A connection to NATS", () => {
  live("shows a token, of options, of variables and of the URL", () =>
    Effect.gen(function* () {
      const { url: servers } = yield* NatsServer.start({ config: `authorization { token: "t:0ken" }` })
      const withToken = (token: string) => outcome({ servers, credentials: { token: Redacted.make(token) } })
      const inUrl = servers.replace("//", "//t%3A0ken@")
      assert.deepStrictEqual(
        [
          yield* withToken("t:0ken"),
          yield* withToken("wrong"),
          yield* outcome({ servers }),
          yield* outcome({ servers: inUrl }),
          yield* outcomeOf({ NATS_URL: servers, NATS_TOKEN: "t:0ken" }),
          yield* outcomeOf({ NATS_URL: inUrl })
        ],
        ["open", "Refused", "Refused", "open", "open", "open"]
      )
    })
  )

  live("shows a user's name and password, and says neither in an error", () =>
    Effect.gen(function* () {
      const { url: servers } = yield* NatsServer.start({ config: `authorization { user: "u", password: "p@ss" }` })
      const inUrl = servers.replace("//", "//u:p%40ss@")
      const wrong = servers.replace("//", "//u:secret@")
      assert.deepStrictEqual(
        [
          yield* outcome({ servers, credentials: { user: "u", password: Redacted.make("p@ss") } }),
          yield* outcomeOf({ NATS_URL: servers, NATS_USER: "u", NATS_PASSWORD: "p@ss" }),
          yield* outcome({ servers: inUrl }),
          yield* outcome({ servers: wrong }),
          // Credentials of their own come before those in a URL.
          yield* outcome({ servers: wrong, credentials: { user: "u", password: Redacted.make("p@ss") } })
        ],
        ["open", "open", "open", "Refused", "open"]
      )
      const error = yield* Effect.flip(Effect.scoped(NatsDiscovery.make({ servers: wrong })))
      assert.notInclude(JSON.stringify(error) + error.message, "secret")
    })
  )

  live("signs with an nkey", () =>
    Effect.gen(function* () {
      const config = `authorization { users: [{ nkey: "${users.getPublicKey()}" }] }`
      const { url: servers } = yield* NatsServer.start({ config })
      assert.deepStrictEqual(
        [
          yield* outcome({ servers, credentials: { nkeySeed: Redacted.make(seed) } }),
          yield* outcome({ servers, credentials: { nkeySeed: Redacted.make(otherSeed) } }),
          yield* outcome({ servers, credentials: { nkeySeed: Redacted.make("no seed") } }),
          yield* outcomeOf({ NATS_URL: servers, NATS_NKEY_SEED: seed })
        ],
        ["open", "Refused", "InvalidOptions", "open"]
      )
    })
  )

  live(
    "shows the JWT of a .creds file, and tells what is wrong with one",
    () =>
      Effect.gen(function* () {
        const operator = NatsOperator.make()
        const [account, bare, unknown] = [
          operator.account(),
          operator.account({ jetStream: false }),
          operator.account()
        ]
        const { url: servers } = yield* NatsServer.start({ config: operator.config([account, bare]) })
        const user = account.user()
        const paths = yield* files({
          user,
          ofWindows: user.replaceAll("\n", "\r\n"),
          ofBare: bare.user(),
          ofUnknown: unknown.user(),
          expired: account.user(-60),
          garbage: "garbage",
          forged: user.replace(/\n(eyJ\w+)\.\w+/, "\n$1.eyJhIjoxfQ"),
          otherSeed: user.replace(/\nSU\w+/, `\n${seed}`),
          noSeed: user.replace(/\nSU\w+/, "\nSUABC")
        })
        const tried = (credsFile: string) => refusal({ servers, credentials: { credsFile } })
        const noSeed = "has no user's JWT and seed, as a .creds file has"
        const answers = {
          [paths.user]: "open",
          [paths.ofWindows]: "open",
          [paths.ofUnknown]: "Refused: Authorization Violation",
          [paths.expired]: `Refused: Authorization Violation: the JWT of ${paths.expired} expired at DATE`,
          [paths.forged]: "Refused: Authorization Violation",
          [paths.otherSeed]: "Refused: Authorization Violation",
          [paths.garbage]: `InvalidOptions: the credsFile ${paths.garbage} ${noSeed}: unable to parse credentials`,
          [paths.noSeed]: `InvalidOptions: the credsFile ${paths.noSeed} ${noSeed}: nkeys: invalid checksum`,
          [`${paths.user}.missing`]: `InvalidOptions: the credsFile can't be read: ENOENT: no such file or directory, open '${paths.user}.missing'`,
          [tmpdir()]: "InvalidOptions: the credsFile can't be read: EISDIR: illegal operation on a directory, read"
        }
        const told = yield* Effect.forEach(Object.keys(answers), tried)
        assert.deepStrictEqual(
          told.map((text) => text.replace(/\d{4}-\d\d-\d\dT[\d:]{8}\.000Z/, "DATE")),
          Object.values(answers)
        )
        assert.deepStrictEqual(
          [
            yield* outcome({ servers }),
            yield* outcomeOf({ NATS_URL: servers, NATS_CREDS: paths.user }),
            yield* outcomeOf({ NATS_URL: servers, NATS_CREDS: paths.garbage })
          ],
          ["Refused", "open", "InvalidOptions"]
        )
        const bucket = (credsFile: string) =>
          Effect.scoped(
            Effect.flatMap(NatsConnection.make({ servers, credentials: { credsFile } }, "test"), (connection) =>
              NatsBucket.make(connection, { servers, name: "b", replicas: 1, maxAge: 60_000, answerTimeout: 2000 })
            )
          )
        yield* bucket(paths.user)
        // The account may connect, and no more.
        assert.strictEqual((yield* Effect.flip(bucket(paths.ofBare))).reason, "NoJetStream")
      }),
    30_000
  )

  live("takes the .creds file as it is then, when it connects again", () =>
    Effect.gen(function* () {
      const operator = NatsOperator.make()
      const [before, after] = [operator.account(), operator.account()]
      const server = yield* NatsServer.start({ config: operator.config([before, after]) })
      const { credsFile } = yield* files({ credsFile: before.user() })
      const connection = yield* NatsConnection.make({ servers: server.url, credentials: { credsFile } }, "test")
      const other = yield* connectedWith(server.url, after.user())
      const heard = new Promise<void>((resolve) => void other.subscribe("test", { callback: () => resolve() }))
      for (const content of ["half wri", after.user()]) {
        writeFileSync(credsFile, content)
        // Both: a client whose server ends during the handshake waits for the whole of its timeout, which is 20 seconds.
        const again = [connection, other].map(connectedAgain)
        yield* server.kill
        yield* server.restart
        yield* Effect.promise(() => Promise.all(again))
      }
      yield* Effect.promise(() => other.flush())
      connection.publish("test")
      yield* Effect.promise(() => heard)
    })
  )

  live("names an address that is none, and shows nothing of credentials in it", () =>
    Effect.gen(function* () {
      const said = (servers: string) =>
        Effect.map(
          Effect.flip(Effect.scoped(NatsConnection.make({ servers }, "test"))),
          ({ detail, reason, servers }) => [reason, servers, detail]
        )
      const isNone = `isn't nats://host:port or tls://host:port, with what a URL can't carry percent-encoded`
      const shown = {
        "": ["", `"" ${isNone}`],
        "nats://a b:1": ["nats://a b:1", `"nats://a b:1" ${isNone}`],
        "http://h:1": ["http://h:1", `"http://h:1" ${isNone}`],
        "ws://h:1": ["ws://h:1", `"ws://h:1" ${isNone}`],
        "nats://h:99999": ["nats://h:99999", `"nats://h:99999" ${isNone}`],
        "nats://u:sec,ret@h:1": ["h:1", `one of { servers } ${isNone}`]
      }
      for (const [servers, [named, detail]] of Object.entries(shown)) {
        const answer = yield* said(servers)
        assert.notInclude(answer.join(), "sec")
        assert.deepStrictEqual(answer, ["InvalidOptions", named, detail])
      }
      for (const servers of [
        "nats://u:sec@ret@127.0.0.1:1",
        "nats://u:sec/ret@127.0.0.1:1",
        "nats://u:%zz@127.0.0.1:1"
      ]) {
        assert.deepStrictEqual(yield* said(servers), ["Unreachable", "nats://127.0.0.1:1", "connection refused"])
      }
    })
  )

  live("checks the server's certificate, and shows its own", () =>
    Effect.gen(function* () {
      const { caFile, certFile, keyFile, ...server } = yield* files({
        caFile: authority,
        certFile: forName.cert,
        keyFile: forName.key,
        cert: forAddress.cert,
        key: forAddress.key
      })
      const config = `tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${caFile}", verify: true }`
      const { url: servers } = yield* NatsServer.start({ config })
      const byName = servers.replace("127.0.0.1", "localhost")
      assert.deepStrictEqual(
        [
          yield* outcome({ servers, credentials: { tls: { caFile, certFile, keyFile } } }),
          yield* outcomeOf({ NATS_URL: servers, NATS_CA: caFile, NATS_CERT: certFile, NATS_KEY: keyFile }),
          yield* outcome({ servers: byName, credentials: { tls: { caFile, certFile, keyFile } } }),
          // TLS 1.3 tells a client only after its handshake that it has to show a certificate.
          yield* outcome({ servers, credentials: { tls: { caFile } }, connectTimeout: "500 millis" }),
          yield* outcome({ servers, credentials: { tls: { certFile, keyFile } } }),
          yield* outcome({ servers, credentials: { tls: { caFile: `${caFile}.missing` } } }),
          yield* outcome({ servers, credentials: { tls: { caFile, certFile } } }),
          yield* outcome({ servers, credentials: { tls: { caFile, certFile, keyFile: server.key } } }),
          yield* outcome({ servers, credentials: { tls: { caFile: keyFile } } })
        ],
        [
          ...["open", "open", "Refused", "Unreachable", "Refused"],
          ...["InvalidOptions", "InvalidOptions", "InvalidOptions", "Refused"]
        ]
      )
      const plain = yield* NatsServer.start()
      assert.deepStrictEqual(
        [
          // Else it would show a password to whoever answers.
          yield* refusal({ servers: plain.url.replace("nats:", "tls:") }),
          yield* refusal({ servers: plain.url, credentials: { tls: true } }),
          yield* outcome({ servers: plain.url, credentials: { tls: false } })
        ],
        ["InvalidOptions: server does not support 'tls'", "InvalidOptions: server does not support 'tls'", "open"]
      )
    })
  )

  live("tells the log that it broke, that there is one again, and what the server refuses, each once", () =>
    Effect.gen(function* () {
      const permissions = `permissions: { publish: { deny: ["no.*"] }, subscribe: { deny: ["$SRV.>"] } }`
      const server = yield* NatsServer.start({
        config: `authorization { users: [{ user: "u", password: "p", ${permissions} }] }`
      })
      const servers = server.url.replace("//", "//u:p@")
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${message}`))
      yield* Effect.gen(function* () {
        const connection = yield* NatsConnection.make({ servers }, "test")
        connection.subscribe("$SRV.PING")
        for (const subject of ["no.a", "no.b", "no.a"]) connection.publish(subject)
        yield* untilSo(() => lines.length === 2)
        yield* server.kill
        yield* untilSo(() => lines.length === 3)
        yield* server.restart
        yield* untilSo(() => lines.length === 4)
        connection.publish("no.a")
        yield* untilSo(() => lines.length === 5)
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)), Logger.withMinimumLogLevel(LogLevel.All))
      assert.deepStrictEqual(lines, [
        `WARN NATS at ${server.url}: Permissions Violation for Publish to "no.a"`,
        `WARN NATS at ${server.url}: Permissions Violation for Publish to "no.b"`,
        `WARN The connection to NATS at ${server.url} broke; reconnecting`,
        `INFO Connected to NATS at ${server.url} again`,
        `WARN NATS at ${server.url}: Permissions Violation for Publish to "no.a"`
      ])
    })
  )

  live("is left where the server answers no ping", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.start()
      const connection = yield* NatsConnection.make({ servers: server.url }, "test", 50)
      const left = Effect.promise(async () => {
        for await (const { type } of connection.status()) if (type === "disconnect") return
      })
      yield* Effect.fork(Effect.zipRight(Effect.yieldNow(), server.stop))
      yield* left.pipe(Effect.timeout("3 seconds"), Effect.ensuring(server.resume))
    })
  )

  live("sends what was published before it closes", () =>
    Effect.gen(function* () {
      const { url: servers } = yield* NatsServer.start()
      const listening = yield* Effect.acquireRelease(
        Effect.promise(() => connect({ servers })),
        (open) => Effect.promise(() => open.close())
      )
      let received = 0
      listening.subscribe("test", { callback: () => void received++ })
      yield* Effect.promise(() => listening.flush())
      const scope = yield* Scope.make()
      const connection = yield* Scope.extend(NatsConnection.make({ servers }, "test"), scope)
      const message = new Uint8Array(100_000)
      for (let i = 0; i < 200; i++) connection.publish("test", message)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(connection.isClosed())
      // The server passes on in order what each of its clients has sent.
      yield* Effect.promise(() => listening.flush())
      assert.strictEqual(received, 200)
    })
  )
})
