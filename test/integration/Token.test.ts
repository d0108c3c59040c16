import { createHash } from "node:crypto"
import * as http from "node:http"
import * as net from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import * as TokenProof from "../../layers/ipc/TokenProof.js"
import * as Bare from "../support/Bare.js"
import { listening } from "../support/listening.js"
import { live, told } from "../support/live.js"
import * as Relay from "../support/Relay.js"
import { Add, add, Echo, Whoami } from "../support/requests.js"
import { authorization, challenge, handshakeAt, upgrade } from "../support/upgrade.js"

const token = "a secret of the tests"
const anotherToken = "another secret of the tests"

const server = NodeIPCServer.make({ token })

/** What the error of a client that must not connect says beside where and what to do. */
const refusal = (options: NodeIPCClient.NodeIPCClientOptions) =>
  Effect.map(Effect.flip(NodeIPCClient.make({ reconnect: false, ...options })), ({ detail, reason, status }) => ({
    refused: `${reason} ${status}`,
    detail
  }))

/** Sends the text on a connection of its own; the first line of the answer, and its body. */
const sendRaw = (port: number, text: string): Effect.Effect<string> =>
  Effect.async((resume) => {
    let answer = ""
    const socket = net.connect(port, "127.0.0.1", () => socket.write(text, "latin1"))
    socket.on("data", (data) => {
      answer += data.toString()
    })
    socket.on("error", () => {})
    socket.on("close", () => {
      const lines = answer.split("\r\n")
      resume(Effect.succeed(`${lines[0]} ${lines.at(-1)}`))
    })
  })

describe("A client and a server with one token", () => {
  live("prove it to each other, and neither shows it", () =>
    Effect.gen(function* () {
      let to = 0
      const relay = yield* Relay.start({ to: () => to })
      const { handle, port } = yield* NodeIPCServer.make({ token, allowedHosts: [`127.0.0.1:${relay.port}`] })
      to = port
      yield* handle(Add, add)
      const client = yield* NodeIPCClient.make({ port: relay.port, token, runtimeId: "worker-1" })
      assert.strictEqual(yield* client.request(Add, { a: 1, b: 2 }), 3)
      const seen = relay.carried()
      assert.include(seen, "Authentication-Info: proof=")
      for (const shown of [token, Buffer.from(token).toString("base64"), Buffer.from(token).toString("hex")]) {
        assert.notInclude(seen, shown)
      }
      // The name is told by who has proved the token alone.
      assert.deepStrictEqual(
        relay.sent.map((sent) => sent.slice(0, sent.indexOf(" HTTP"))),
        ["GET /__ipc", "GET /__ipc?runtimeId=worker-1"]
      )
    })
  )

  for (const url of ["localhost", "LOCALHOST", "127.1", "2130706433", "[::ffff:127.0.0.1]"]) {
    live(`may dial it as ${url}`, () =>
      Effect.gen(function* () {
        const { port } = yield* server
        yield* NodeIPCClient.make({ url: `ws://${url}:${port}`, token })
      })
    )
  }

  for (const secret of [
    "ключ от всех дверей",
    "🔑🗝️🔐🔏",
    "ääääääää",
    "a line feed\nand a \u0000 in it",
    "x".repeat(10_000)
  ]) {
    live(`may have ${JSON.stringify(secret.slice(0, 30))} as their token`, () =>
      Effect.gen(function* () {
        const { port } = yield* NodeIPCServer.make({ token: secret })
        yield* NodeIPCClient.make({ port, token: secret })
        assert.strictEqual((yield* refusal({ port, token: `${secret}x` })).refused, "Rejected 401")
      })
    )
  }

  live("in another language shows it, as bytes of UTF-8", () =>
    Effect.gen(function* () {
      const secret = "ключ от всех дверей"
      const { port } = yield* NodeIPCServer.make({ token: secret })
      const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}` } })
      assert.strictEqual((yield* upgrade(port, bearer(Buffer.from(secret).toString("latin1")))).status, 101)
      assert.strictEqual((yield* upgrade(port, bearer(Buffer.from(`${secret}x`).toString("latin1")))).status, 401)
    })
  )

  live("connect through what is meant to forward, where the server says so", () =>
    Effect.gen(function* () {
      let to = 0
      const relay = yield* Relay.start({ to: () => to })
      const { port } = yield* NodeIPCServer.make({ token, allowedHosts: [`localhost:${relay.port}`] })
      to = port
      yield* NodeIPCClient.make({ url: `http://localhost:${relay.port}`, token })
      assert.strictEqual((yield* refusal({ port: relay.port, token })).refused, "Rejected 401")
    })
  )

  live("connect though another server with the token takes over between challenge and proof", () =>
    Effect.gen(function* () {
      let ports: ReadonlyArray<number> = []
      const relay = yield* Relay.start({ to: (connection) => ports[Math.min(connection, 1)] as number })
      const options = { token, allowedHosts: [`127.0.0.1:${relay.port}`] }
      const [first, second] = [yield* NodeIPCServer.make(options), yield* NodeIPCServer.make(options)]
      ports = [first.port, second.port]
      yield* NodeIPCClient.make({ port: relay.port, token, runtimeId: "worker-1" })
      assert.strictEqual((yield* second.clients).length, 1)
      assert.strictEqual(relay.sent.length, 3)
    })
  )
})

describe("A token that is too short", () => {
  const issue = "it has 15 bytes, and needs at least 16"

  live("is refused at the server, and at the client", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* told(NodeIPCServer.make({ token: "fifteen bytes.." })), {
        tag: "InvalidToken",
        message: `The token can't be used: ${issue}. Pass a random one as { token } (layerConfig reads IPC_TOKEN), such as "openssl rand -hex 32" prints.`
      })
      const { port } = yield* server
      assert.deepStrictEqual(yield* refusal({ port, token: "fifteen bytes.." }), {
        refused: "Rejected 401",
        detail: `the token can't be used: ${issue}`
      })
    })
  )

  live("is counted in bytes, without the white space around it", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* told(NodeIPCServer.make({ token: `\n${" ".repeat(16)}x` }))).tag, "InvalidToken")
      yield* NodeIPCServer.make({ token: "🔑🔑🔑🔑" })
    })
  )
})

describe("A client without the server's token", () => {
  live("replaces no client, and no handler gets its messages", () =>
    Effect.gen(function* () {
      const { clients, handle, port, request } = yield* server
      yield* handle(Whoami, (_, caller) => Effect.succeed(caller))
      const owner = yield* NodeIPCClient.make({ port, token, runtimeId: "worker-1", reconnect: false })
      yield* owner.handle(Echo, (text) => Effect.succeed(`owner: ${text}`))
      const others: ReadonlyArray<Partial<NodeIPCClient.NodeIPCClientOptions>> = [
        {},
        { token: anotherToken },
        { token: anotherToken, tokenScheme: "bearer" }
      ]
      for (const other of others) {
        assert.strictEqual((yield* refusal({ port, runtimeId: "worker-1", ...other })).refused, "Rejected 401")
      }
      assert.deepStrictEqual(
        (yield* clients).map(({ runtimeId }) => runtimeId),
        ["worker-1"]
      )
      assert.strictEqual(yield* request("worker-1", Echo, "still here"), "owner: still here")
      assert.strictEqual((yield* owner.request(Whoami)).runtimeId, "worker-1")
    })
  )

  live("is told what to do", () =>
    Effect.gen(function* () {
      const { port } = yield* server
      assert.strictEqual(
        (yield* told(NodeIPCClient.make({ port, token: anotherToken }))).message,
        `Could not connect to http://127.0.0.1:${port}: the server answered 401 Unauthorized: The token is not this server's. Pass the server's token as { token } (layerConfig reads IPC_TOKEN).`
      )
    })
  )
})

describe("A proof", () => {
  live("is good for one connection", () =>
    Effect.gen(function* () {
      const { port } = yield* server
      const proof = authorization(token, handshakeAt(port, yield* challenge(port)))
      const answer = yield* upgrade(port, { headers: { authorization: proof } })
      assert.strictEqual(answer.status, 101)
      const again = yield* upgrade(port, { headers: { authorization: proof } })
      assert.deepStrictEqual(
        { status: again.status, error: again.error },
        { status: 401, error: "The challenge has expired or was used before." }
      )
      assert.match(again.headers["www-authenticate"] ?? "", /^Effect-IPC nonce="[\w-]{22}", stale="true", Bearer$/)
    })
  )

  live("that was seen on its way can't be sent again", () =>
    Effect.gen(function* () {
      let to = 0
      const relay = yield* Relay.start({ to: () => to })
      const { clients, port } = yield* NodeIPCServer.make({ token, allowedHosts: [`127.0.0.1:${relay.port}`] })
      to = port
      yield* NodeIPCClient.make({ port: relay.port, token, runtimeId: "worker-1" })
      const upgradeRequest = `${relay.sent[1]?.split("\r\n\r\n")[0]}\r\n\r\n`
      assert.include(upgradeRequest, "proof=")
      for (const at of [port, relay.port]) {
        assert.strictEqual(
          yield* sendRaw(at, upgradeRequest),
          'HTTP/1.1 401 Unauthorized {"error":"The challenge has expired or was used before."}'
        )
      }
      assert.strictEqual((yield* clients).length, 1)
    })
  )

  live("that was wrong has used the challenge up", () =>
    Effect.gen(function* () {
      const { port } = yield* server
      const handshake = handshakeAt(port, yield* challenge(port))
      const answers = yield* Effect.forEach([anotherToken, token], (secret) =>
        upgrade(port, { headers: { authorization: authorization(secret, handshake) } })
      )
      assert.deepStrictEqual(
        answers.map(({ error }) => error),
        ["The token is not this server's.", "The challenge has expired or was used before."]
      )
    })
  )

  live("comes too late after ten seconds by the monotonic clock", () =>
    Effect.gen(function* () {
      const real = yield* Effect.clock
      let passed = 0n
      const later: Clock.Clock = Object.assign(Object.create(Clock.make()) as Clock.Clock, {
        unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos() + passed
      })
      const { port } = yield* Effect.withClock(NodeIPCServer.make({ token }), later)
      for (const [seconds, status] of [
        [9n, 101],
        [10n, 401]
      ] as const) {
        const handshake = handshakeAt(port, yield* challenge(port))
        passed += seconds * 1_000_000_000n
        const headers = { authorization: authorization(token, handshake) }
        assert.strictEqual((yield* upgrade(port, { headers })).status, status)
      }
    })
  )

  for (const [what, change, error] of [
    ["of the server's role", {}, "The token is not this server's."],
    ["for another port", { port: 1 }, 'The client dialled "127.0.0.1:1" and reached "127.0.0.1"'],
    ["for another address", { address: "127.0.0.2" }, 'and reached "127.0.0.2", which isn\'t this server.'],
    ["for another name", { host: "evil.example" }, 'The client dialled "evil.example:'],
    ["for a name that is longer than messages are", { host: "x".repeat(255) }, `dialled "${"x".repeat(100)}"`]
  ] as const) {
    live(`${what} is refused`, () =>
      Effect.gen(function* () {
        const { port } = yield* server
        const handshake = handshakeAt(port, yield* challenge(port))
        const changed = { ...handshake, dialled: { ...handshake.dialled, ...change } }
        const role = what === "of the server's role" ? "server" : "client"
        const answer = yield* upgrade(port, { headers: { authorization: authorization(token, changed, role) } })
        assert.strictEqual(answer.status, 401)
        assert.include(answer.error ?? "", error)
      })
    )
  }

  for (const header of [
    "Effect-IPC",
    "Effect-IPC ",
    "Effect-IPC x",
    `Effect-IPC nonce="${TokenProof.makeNonce()}"`,
    `Effect-IPC ${'nonce="", '.repeat(1000)}`,
    `Effect-IPC ${"\u00ff\u0080\u009b".repeat(1000)}`,
    `Effect-IPC nonce="${"A".repeat(22)}", cnonce="${"A".repeat(22)}", host="__proto__", port="99999", address="\u009b2J", proof="${"A".repeat(43)}"`,
    "effect-ipcx nonce",
    ",,,,,,",
    '"',
    "Bearer \u009b2J\u0080"
  ]) {
    live(`is not ${JSON.stringify(header.slice(0, 60))}`, () =>
      Effect.gen(function* () {
        const { port } = yield* server
        const answer = yield* upgrade(port, { headers: { authorization: header } })
        assert.strictEqual(answer.status, 401)
        assert.match(
          answer.headers["www-authenticate"] ?? "",
          /^Effect-IPC nonce="[\w-]{22}"(, stale="true")?, Bearer$/
        )
        yield* NodeIPCClient.make({ port, token })
      })
    )
  }
})

describe("Whatever forwards to the real server from elsewhere", () => {
  const relayed = (rewrite: (text: string, from: number, to: number) => string) =>
    Effect.gen(function* () {
      const { clients, handle, port } = yield* server
      yield* handle(Add, add)
      const relay: Relay.Relay = yield* Relay.start({
        to: () => port,
        rewrite: (text) => rewrite(text, relay.port, port)
      })
      const refused = yield* refusal({ port: relay.port, token })
      assert.deepStrictEqual(yield* clients, [])
      assert.notInclude(relay.carried(), token)
      return refused
    })

  live("gets nothing by a proof for its own port", () =>
    Effect.gen(function* () {
      const { detail, refused } = yield* relayed((text) => text)
      assert.strictEqual(refused, "Rejected 401")
      assert.include(
        detail,
        ", which isn't this server. Connect to it directly or, where something forwards from there"
      )
    })
  )

  live("gets nothing by changing where the request goes", () =>
    Effect.gen(function* () {
      const { refused } = yield* relayed((text, from, to) =>
        text.replaceAll(`Host: 127.0.0.1:${from}`, `Host: 127.0.0.1:${to}`)
      )
      assert.strictEqual(refused, "Rejected 401")
    })
  )

  live("gets nothing by changing what the proof says", () =>
    Effect.gen(function* () {
      const { detail, refused } = yield* relayed((text, from, to) => text.replaceAll(String(from), String(to)))
      assert.deepStrictEqual(
        { detail, refused },
        { detail: "the server answered 401 Unauthorized: The token is not this server's", refused: "Rejected 401" }
      )
    })
  )

  live("gets nothing at the same port of another address", () =>
    Effect.gen(function* () {
      const { clients, port } = yield* server
      yield* Relay.start({
        to: () => port,
        host: "127.0.0.2",
        port,
        rewrite: (text) => text.replaceAll("Host: 127.0.0.2", "Host: localhost")
      })
      assert.strictEqual((yield* refusal({ url: `http://127.0.0.2:${port}`, token })).refused, "Rejected 401")
      assert.deepStrictEqual(yield* clients, [])
    })
  )
})

/** Answers each upgrade in its own way, and keeps what it was sent. */
const fakeServer = (
  answer: (request: http.IncomingMessage, socket: net.Socket) => void
): Effect.Effect<{ readonly port: number; readonly seen: () => string }, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const url = yield* listening(http.createServer().on("upgrade", answer))
    const relay = yield* Relay.start({ to: () => Number(new URL(url).port) })
    return { port: relay.port, seen: () => relay.sent.join("\n") }
  })

const accept = (request: http.IncomingMessage, socket: net.Socket, header = ""): void => {
  const key = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64")
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\nSec-WebSocket-Protocol: effect-ipc.1\r\n${header}\r\n`
  )
  // An order, in the moment in which the connection is there.
  const order = Buffer.from('r:1:echo:"obey"')
  socket.write(Buffer.concat([Buffer.from([0x81, order.length]), order]))
}

const refuse = (socket: net.Socket, header: string): void => {
  socket.end(`HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n${header}\r\n`)
}

const challengeWith = (nonce: string) => `WWW-Authenticate: Effect-IPC nonce="${nonce}", Bearer\r\n`

const unproved =
  "the server took the connection without proving that it knows the token; it has none, or isn't one of effect-ipc"

describe("Whatever holds the port in the server's place sees no token, and isn't obeyed", () => {
  for (const [what, answer, detail] of [
    ["where it takes every upgrade", (request, socket) => accept(request, socket), unproved],
    [
      "where it makes up a proof",
      (request, socket) => {
        if (request.headers.authorization === "Effect-IPC") return refuse(socket, challengeWith(TokenProof.makeNonce()))
        accept(request, socket, `Authentication-Info: proof="${"A".repeat(43)}"\r\n`)
      },
      unproved
    ],
    [
      "where it gives back the client's proof",
      (request, socket) => {
        if (request.headers.authorization === "Effect-IPC") return refuse(socket, challengeWith(TokenProof.makeNonce()))
        const [proof] = /proof="[\w-]+"/.exec(request.headers.authorization ?? "") ?? []
        accept(request, socket, `Authentication-Info: ${proof}\r\n`)
      },
      unproved
    ],
    [
      "where it asks for the token itself",
      (_, socket) => refuse(socket, "WWW-Authenticate: Bearer\r\n"),
      'the server answered 401 Unauthorized. It doesn\'t prove that it knows the token; { tokenScheme: "bearer" } would show it the token all the same'
    ],
    [
      "where it asks for something else",
      (_, socket) => refuse(socket, 'WWW-Authenticate: Basic realm="Bearer"\r\n'),
      "the server answered 401 Unauthorized"
    ],
    [
      "where it never has enough of proofs",
      (_, socket) =>
        refuse(socket, challengeWith(TokenProof.makeNonce()).replace(", Bearer", ', stale="true", Bearer')),
      "the server answered 401 Unauthorized"
    ],
    [
      "where its challenge is no nonce",
      (_, socket) => refuse(socket, `WWW-Authenticate: Effect-IPC nonce="${"x".repeat(5000)}"\r\n`),
      "the server answered 401 Unauthorized"
    ]
  ] as ReadonlyArray<[string, (request: http.IncomingMessage, socket: net.Socket) => void, string]>) {
    live(what, () =>
      Effect.gen(function* () {
        const { port, seen } = yield* fakeServer(answer)
        assert.deepStrictEqual(yield* refusal({ port, token, runtimeId: "worker-1" }), {
          refused: "Rejected 401",
          detail
        })
        assert.include(seen(), "GET /__ipc")
        assert.notInclude(seen(), token)
        assert.notInclude(seen(), "obey")
      })
    )
  }

  live("where it repeats a proof of the real server that it has seen", () =>
    Effect.gen(function* () {
      const real = yield* server
      const handshake = handshakeAt(real.port, yield* challenge(real.port))
      const { headers } = yield* upgrade(real.port, { headers: { authorization: authorization(token, handshake) } })
      const fake = yield* fakeServer((request, socket) => {
        if (request.headers.authorization === "Effect-IPC") return refuse(socket, challengeWith(handshake.serverNonce))
        accept(request, socket, `Authentication-Info: ${headers["authentication-info"]}\r\n`)
      })
      assert.deepStrictEqual(yield* refusal({ port: fake.port, token }), { refused: "Rejected 401", detail: unproved })
    })
  )

  live("unless the client was told to show it, by option or in the environment", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* fakeServer((request, socket) => accept(request, socket))
      yield* NodeIPCClient.make({ port, token, tokenScheme: "bearer" })
      const environment = (scheme: string) =>
        ConfigProvider.fromMap(
          new Map([
            ["IPC_PORT", String(port)],
            ["IPC_TOKEN", token],
            ["IPC_TOKEN_SCHEME", scheme]
          ])
        )
      yield* Effect.withConfigProvider(Layer.build(NodeIPCClient.layerConfig()), environment("bearer"))
      assert.strictEqual(seen().split(`authorization: Bearer ${token}\r\n`).length, 3)
      const wrong = yield* Effect.flip(
        Effect.withConfigProvider(Layer.build(NodeIPCClient.layerConfig()), environment("Bearer"))
      )
      assert.include(String(wrong), "IPC_TOKEN_SCHEME")
    })
  )
})

describe("A server without a token", () => {
  live("is not used by a client that has one, and sees no client connect", () =>
    Effect.gen(function* () {
      const { clients, port } = yield* NodeIPCServer.make()
      const present = yield* NodeIPCClient.make({ port, runtimeId: "worker-1" })
      assert.deepStrictEqual(yield* refusal({ port, token, runtimeId: "worker-1" }), {
        refused: "Rejected 401",
        detail:
          "the server answered 401 Unauthorized: This server has no token, so it can't prove that it knows the client's"
      })
      yield* present.handle(Echo, Effect.succeed)
      assert.deepStrictEqual(
        (yield* clients).map(({ clientId }) => clientId),
        ["client-1"]
      )
    })
  )

  live("takes a client that shows one, which it doesn't need", () =>
    Effect.gen(function* () {
      const { port } = yield* NodeIPCServer.make()
      yield* NodeIPCClient.make({ port, token, tokenScheme: "bearer" })
    })
  )

  live("sees the same first request as ever from a client that has none", () =>
    Effect.gen(function* () {
      const bare = yield* Bare.serve("/__ipc", "echoFirst")
      const relay = yield* Relay.start({ to: () => bare.port })
      yield* NodeIPCClient.make({ port: relay.port, runtimeId: "worker-1" })
      const [sent] = relay.sent
      assert.strictEqual(
        sent?.replace(/(Sec-WebSocket-(?:Key|Protocol): ).*\r/g, "$1…\r"),
        `GET /__ipc?runtimeId=worker-1 HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: …\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: …\r\nHost: 127.0.0.1:${relay.port}\r\n\r\n`
      )
    })
  )
})
