import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { connect, nkeys } from "@nats-io/transport-node"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as NatsConnection from "../../../layers/nats/NatsConnection.js"
import * as NatsDiscovery from "../../../layers/nats/NatsDiscovery.js"
import type { NatsConnectionOptions } from "../../../layers/nats/NatsOptions.js"
import { authority, forAddress, forName } from "../../support/Certificates.js"
import { live } from "../../support/live.js"
import * as NatsServer from "../../support/NatsServer.js"

/** How the connection fails, or that it opens. */
const outcome = (options: NatsConnectionOptions) =>
  Effect.scoped(NatsConnection.make(options, "test")).pipe(
    Effect.match({ onSuccess: () => "open", onFailure: ({ reason }) => reason })
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
        ["open", "Refused", "Refused", "open"]
      )
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
          yield* outcome({ servers, credentials: { tls: { caFile: `${caFile}.missing` } } })
        ],
        ["open", "open", "Refused", "Unreachable", "Refused", "InvalidOptions"]
      )
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
