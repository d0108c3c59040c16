import * as net from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Bare from "../support/Bare.js"
import * as Cli from "../support/Cli.js"
import * as Live from "../support/discovery.js"
import { live, told } from "../support/live.js"
import * as Relay from "../support/Relay.js"

const token = "a secret of the tests"
const anotherToken = "another secret of the tests"

const users = (baseUrl: string) => [{ api: "users", baseUrl, pathPrefix: "/users" }]

/** Takes the port, answers every upgrade as the leader that it isn't, and keeps what it is sent. */
const fakeLeader = (
  port: number,
  onRequest: (count: number) => Effect.Effect<unknown>
): Effect.Effect<{ readonly seen: () => string; readonly leave: Effect.Effect<void> }, Error, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async((resume) => {
      const chunks: Array<string> = []
      const sockets = new Set<net.Socket>()
      const fake = net.createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("data", (data) => {
          chunks.push(data.toString("latin1"))
          const nonce = "A".repeat(22)
          const header = `WWW-Authenticate: Effect-IPC nonce="${nonce}", Bearer`
          socket.end(`HTTP/1.1 401 Unauthorized\r\n${header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
          Effect.runFork(onRequest(chunks.length))
        })
      })
      const leave = Effect.async<void>((left) => {
        fake.close(() => left(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
      fake.once("error", (error) => resume(Effect.fail(error)))
      fake.listen(port, "127.0.0.1", () => resume(Effect.succeed({ seen: () => chunks.join("\n"), leave })))
    }),
    ({ leave }) => leave
  )

describe("Participants with one token", () => {
  live("elect, follow and register as ever, and again when the leader goes", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const first = yield* Live.participant({ port, token, runtimeId: "first" })
      const others = yield* Effect.all(
        [Live.participant({ port, token }), Live.participant({ port, token }), Live.participant({ port, token })],
        { concurrency: "unbounded" }
      )
      const [second, third] = others
      yield* second.discovery.register(users(yield* Live.service("users")))
      assert.strictEqual(yield* Live.get(port, "/users/7"), "200 users /users/7")
      yield* first.leave
      assert.strictEqual(yield* third.discovery.discover("users"), `http://127.0.0.1:${port}`)
      assert.strictEqual(yield* Live.get(port, "/users/7"), "200 users /users/7")
      yield* Live.until(
        Effect.all(others.map(({ election }) => election.role)),
        (roles) => roles.filter((role) => role === "follower").length === 2
      )
    })
  )

  live("follow a standalone gateway, for which the leader steps down", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const embedded = yield* Live.participant({ port, token })
      yield* embedded.discovery.register(users(yield* Live.service("users")))
      const gateway = yield* Live.standalone({ port, token })
      yield* Live.becomes(embedded.election, "follower")
      assert.strictEqual(yield* Live.get(port, "/users/7"), "200 users /users/7")
      assert.strictEqual((yield* gateway.discovery.routes).length, 1)
    })
  )

  for (const [what, options] of [
    ["with another token", { token: anotherToken }],
    ["without one", {}]
  ] as const) {
    live(`have no participant ${what}, and step down for no gateway ${what}`, () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const leader = yield* Live.participant({ port, token })
        const refused = yield* told(Live.participant({ port, ...options }))
        assert.strictEqual(refused.tag, "ConnectFailed")
        assert.include(refused.message, "the server answered 401 Unauthorized")
        assert.strictEqual((yield* told(Live.standalone({ port, ...options }))).tag, "PortInUse")
        assert.strictEqual(yield* leader.election.role, "leader")
      })
    )
  }

  live("don't follow a leader that has none", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const leader = yield* Live.participant({ port })
      const { message } = yield* told(Live.participant({ port, token }))
      assert.include(message, "This server has no token, so it can't prove that it knows the client's.")
      assert.deepStrictEqual(yield* leader.discovery.routes, [])
    })
  )

  live("give nothing to whatever holds the port for a while, and go on when it is gone", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const gateway = yield* Live.standalone({ port, token })
      const follower = yield* Live.participant({ port, token, runtimeId: "follower" })
      yield* follower.discovery.register(users(yield* Live.service("users")))
      yield* gateway.leave
      // A participant that has followed a standalone gateway doesn't bid, so the port is there to be taken.
      const tried = yield* Deferred.make<void>()
      const fake = yield* fakeLeader(port, (count) => (count < 6 ? Effect.void : Deferred.succeed(tried, undefined)))
      yield* Deferred.await(tried)
      assert.strictEqual(yield* follower.election.role, "electing")
      assert.match(fake.seen(), /Effect-IPC nonce="A{22}", cnonce="[\w-]{22}", host="127.0.0.1"/)
      assert.notInclude(fake.seen(), token)
      assert.notInclude(fake.seen(), "discovery/register")
      yield* fake.leave
      yield* Live.standalone({ port, token })
      yield* Live.becomes(follower.election, "follower")
      assert.strictEqual(yield* Live.get(port, "/users/7"), "200 users /users/7")
    })
  )

  live("follow a leader that knows no proofs where they are told to show the token", () =>
    Effect.gen(function* () {
      const leader = yield* Bare.serve("/__ipc", "echoFirst")
      const relay = yield* Relay.start({ to: () => leader.port })
      const joining = yield* Effect.fork(Live.participant({ port: relay.port, token, tokenScheme: "bearer" }))
      const { peer } = yield* leader.next
      const answer = Effect.gen(function* () {
        const [, id, request] = (yield* peer.next).split(":")
        const data =
          request === "discovery/getServerInfo"
            ? { success: true, data: { kind: "embedded" } }
            : { success: false, error: `No handler for: ${request}` }
        yield* peer.send(`s:${id}:${request}:${JSON.stringify(data)}`)
      })
      yield* Effect.forkScoped(Effect.forever(answer))
      const { election } = yield* Fiber.join(joining)
      assert.strictEqual(yield* election.role, "follower")
      assert.include(relay.carried(), `authorization: Bearer ${token}\r\n`)
    })
  )

  live("aren't joined where something else holds the port", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const fake = yield* fakeLeader(port, () => Effect.void)
      const { message, tag } = yield* told(Live.participant({ port, token }))
      assert.deepStrictEqual([tag, message.includes("401")], ["ConnectFailed", true])
      assert.notInclude(fake.seen(), token)
    })
  )
})

describe("Where no token is set", () => {
  live("any local process can make the leader step down, as the documentation says", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const leader = yield* Live.participant({ port })
      const anybody = yield* Bare.connect(`ws://127.0.0.1:${port}/__ipc`)
      yield* anybody.send("r:1:discovery/requestYield:")
      yield* Live.until(leader.election.role, (role) => role !== "leader")
    })
  )
})

describe("The command with a token", () => {
  live(
    "serves, registers and lists what participants register who have it",
    () =>
      Effect.gen(function* () {
        const { port, url } = yield* Cli.startGateway({ IPC_TOKEN: token })
        const service = yield* Cli.http((_, response) => void response.end("users"))
        const register = yield* Cli.start(
          [
            ...["register", "--api", "users", "--prefix", "/users", "--url", `http://127.0.0.1:${service}`],
            ...["--port", port]
          ],
          { IPC_TOKEN: token }
        )
        yield* register.stdout.line("users at")
        const participant = yield* Live.participant({ port: Number(port), token })
        assert.strictEqual(yield* participant.discovery.discover("users"), url)
        const run = yield* Cli.start(
          [
            ...["run", "--api", "orders", "--prefix", "/orders", "--port", port, "--token", token],
            ...["--", process.execPath, Cli.service]
          ],
          {}
        )
        yield* run.stdout.line("service started")
        yield* Live.until(Effect.orDie(participant.discovery.routes), (routes) =>
          routes.some(({ api }) => api === "orders")
        )
        const { exit, stdout } = yield* Cli.run(["routes", "--json", "--port", port], { IPC_TOKEN: token })
        assert.strictEqual(exit, 0)
        assert.sameMembers(
          (JSON.parse(stdout) as ReadonlyArray<{ readonly api: string }>).map(({ api }) => api),
          ["users", "orders"]
        )
      }),
    60_000
  )

  live(
    "is used through what forwards to the gateway, where the gateway was told from where",
    () =>
      Effect.gen(function* () {
        let to = 0
        const relay = yield* Relay.start({ to: () => to })
        const gateway = yield* Cli.start(["serve", "--port", "0", "--allowed-host", `127.0.0.1:${relay.port}`], {
          IPC_TOKEN: token
        })
        const url = new URL((yield* gateway.stdout.line("The gateway listens on ")).split(" ").at(-1) as string)
        to = Number(url.port)
        const { exit, stdout } = yield* Cli.run(["routes", "--json", "--port", String(relay.port)], {
          IPC_TOKEN: token
        })
        assert.deepStrictEqual({ exit, stdout }, { exit: 0, stdout: "[]" })
      }),
    60_000
  )

  live(
    "refuses one that is too short in a line",
    () =>
      Effect.gen(function* () {
        const outcome = yield* Cli.run(["serve", "--port", "0"], { IPC_TOKEN: "too short" })
        assert.deepStrictEqual(outcome, {
          exit: 1,
          stdout: "",
          stderr:
            'effect-ipc: The token can\'t be used: it has 9 bytes, and needs at least 16. Pass a random one, such as "openssl rand -hex 32" prints, in IPC_TOKEN (or by --token).'
        })
      }),
    60_000
  )
})
