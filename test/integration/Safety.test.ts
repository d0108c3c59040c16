import { networkInterfaces } from "node:os"
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import type { ClientOptions } from "ws"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import * as WebSocketTransport from "../../layers/ipc/WebSocketTransport.js"
import * as FrameLimit from "../../src/connection/FrameLimit.js"
import { IPCServer } from "../../src/IPCServer.js"
import { isPrintable } from "../../src/internal/Printable.js"
import * as Bare from "../support/Bare.js"
import { live, told } from "../support/live.js"
import { Add, add, Echo } from "../support/requests.js"
import * as Request from "../support/upgrade.js"
import { ask } from "./http/support.js"

const upgrade = (port: number, options: ClientOptions = {}) => Bare.connect(`ws://127.0.0.1:${port}/__ipc`, [], options)

/** The refusal of an upgrade that must not succeed. */
const refused = (port: number, options: ClientOptions) =>
  Effect.map(Effect.flip(Effect.scoped(upgrade(port, options))), ({ body, status }) => ({
    status,
    error: (JSON.parse(body) as { error: string }).error
  }))

const token = "a secret of the tests"

describe("By default", () => {
  live("a server listens on this machine alone", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      assert.strictEqual(server.url, `http://127.0.0.1:${server.port}`)
      const elsewhere = Object.values(networkInterfaces())
        .flatMap((interfaces) => interfaces ?? [])
        .filter(({ family, internal }) => family === "IPv4" && !internal)
      for (const { address } of elsewhere) {
        const { message } = yield* told(NodeIPCClient.make({ url: `http://${address}:${server.port}` }))
        assert.include(message, "ECONNREFUSED")
      }
    })
  )

  for (const host of ["0.0.0.0", "::", "", "127.evil.example", "192.0.2.1"]) {
    live(`a server doesn't listen on ${JSON.stringify(host)} without a token`, () =>
      Effect.map(told(NodeIPCServer.make({ host })), (error) =>
        assert.deepStrictEqual(error, {
          tag: "TokenRequired",
          message: `Listening on ${host} lets other machines connect. Pass { token } (layerConfig reads IPC_TOKEN), which clients then present, or { allowWithoutToken: true } if none is wanted.`
        })
      )
    )
  }

  for (const token of ["", " \n", Redacted.make("")]) {
    live(`a server takes the empty token ${JSON.stringify(token)} for none`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* told(NodeIPCServer.make({ host: "0.0.0.0", token }))).tag, "TokenRequired")
        const { port } = yield* NodeIPCServer.make({ token })
        yield* NodeIPCClient.make({ port, token })
      })
    )
  }

  live("a server listens beyond when told that no token is wanted", () =>
    Effect.gen(function* () {
      const { url } = yield* NodeIPCServer.make({ host: "0.0.0.0", allowWithoutToken: true })
      yield* NodeIPCClient.make({ url })
    })
  )
})

describe("A server with a token", () => {
  const server = NodeIPCServer.make({ token })

  live("takes who presents it", () =>
    Effect.gen(function* () {
      const { port } = yield* server
      yield* NodeIPCClient.make({ port, token })
      yield* NodeIPCClient.make({ port, token: Redacted.make(token) })
      yield* NodeIPCClient.make({ port, token, tokenScheme: "bearer" })
      yield* upgrade(port, { headers: { authorization: `Bearer ${token}` } })
      yield* upgrade(port, { headers: { authorization: `bearer  ${token}` } })
    })
  )

  live("refuses who presents none", () =>
    Effect.gen(function* () {
      const { port } = yield* server
      assert.deepStrictEqual(yield* told(NodeIPCClient.make({ port })), {
        tag: "ConnectFailed",
        message: `Could not connect to http://127.0.0.1:${port}: the server answered 401 Unauthorized: This server asks for a token: send it as Authorization: Bearer …. Pass the server's token as { token } (layerConfig reads IPC_TOKEN).`
      })
    })
  )

  for (const authorization of ["Bearer wrong", `Bearer ${token}2`, "Bearer ", "Bearer", "Basic c2VjcmV0", token, ""]) {
    live(`refuses who presents ${JSON.stringify(authorization)}`, () =>
      Effect.gen(function* () {
        const { port } = yield* server
        const { status } = yield* refused(port, { headers: { authorization } })
        assert.strictEqual(status, 401)
      })
    )
  }

  live("tells a wrong token from a missing one, and that it wants one (RFC 9110, section 11.6.1)", () =>
    Effect.gen(function* () {
      const { port } = yield* server
      const { message } = yield* told(NodeIPCClient.make({ port, token: "a guess at the token" }))
      assert.include(message, "the server answered 401 Unauthorized: The token is not this server's. Pass the server's")
      const answer = yield* ask(`http://127.0.0.1:${port}/__ipc`)
      assert.strictEqual(answer.status, 401)
      assert.match(answer.headers["www-authenticate"] ?? "", /^Effect-IPC nonce="[\w-]{22}", Bearer$/)
    })
  )
})

describe("A web page", () => {
  live("doesn't get in: its Origin isn't allowed", () =>
    Effect.gen(function* () {
      const { port } = yield* NodeIPCServer.make({ allowedOrigins: ["https://good.example"] })
      for (const origin of [
        "https://evil.example",
        "null",
        "https://good.example.evil.example",
        "http://good.example"
      ]) {
        assert.deepStrictEqual(yield* refused(port, { origin }), {
          status: 403,
          error: `Origin ${JSON.stringify(origin)} may not connect. Add it to { allowedOrigins } if that page should.`
        })
      }
      yield* upgrade(port, { origin: "https://good.example" })
    })
  )

  live("gets in from an allowed Origin, however the option spells it", () =>
    Effect.gen(function* () {
      const allowedOrigins = ["HTTPS://Good.Example:443/", "http://good.example:8080", "app://good"]
      const { port } = yield* NodeIPCServer.make({ allowedOrigins })
      for (const origin of ["https://good.example", "http://good.example:8080", "app://good"]) {
        yield* upgrade(port, { origin })
      }
      for (const origin of ["http://good.example", "https://good.example:444", "app://evil", "null", ""]) {
        const { status } = yield* Request.upgrade(port, { headers: { origin } })
        assert.deepStrictEqual([origin, status], [origin, 403])
      }
      // Node joins several, as no browser would send them.
      const several = yield* Request.upgrade(port, {
        headers: { origin: ["https://good.example", "https://evil.example"] }
      })
      assert.strictEqual(several.status, 403)
    })
  )

  live("doesn't get in by a name that it made point here, which is what its Host says", () =>
    Effect.gen(function* () {
      const { port } = yield* NodeIPCServer.make()
      for (const host of [
        `evil.example:${port}`,
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil@localhost",
        "localhost/evil",
        "[::1",
        "[]",
        ":",
        "evil.example.",
        "localhost.evil.example.",
        "127.0.0.1:80:80",
        "xn--lcalhost-54a",
        "x".repeat(8000)
      ]) {
        const { error, status } = yield* refused(port, { headers: { host } })
        assert.strictEqual(status, 403)
        assert.include(error, `Host ${JSON.stringify(host.slice(0, 100))} isn't a name of this server.`)
      }
    })
  )

  live("doesn't get in by a target or a second Host that says another name", () =>
    Effect.gen(function* () {
      const { port } = yield* NodeIPCServer.make()
      const answers = yield* Effect.forEach(
        [
          { path: "http://evil.example/__ipc" },
          { path: "http://127.0.0.1@evil.example/__ipc" },
          { path: "HTTP://EVIL.example:80/__ipc?x=http://localhost/" },
          { headers: { host: ["localhost", "evil.example"] } },
          { headers: { host: ["localhost", "localhost"] } }
        ],
        (options) => Request.upgrade(port, options)
      )
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [403, 403, 403, 400, 400]
      )
      // RFC 9112 section 3.2.2: the target's name comes before the Host.
      const own = { path: `http://localhost:${port}/__ipc`, headers: { host: "evil.example" } }
      assert.strictEqual((yield* Request.upgrade(port, own)).status, 101)
    })
  )

  live("is refused in printable words", () =>
    Effect.gen(function* () {
      const { port } = yield* NodeIPCServer.make()
      for (const headers of [{ host: "\u009b2J\u0085.evil" }, { origin: "\u009b2J\u0085.evil" }]) {
        const { error = "" } = yield* Request.upgrade(port, { headers })
        assert.include(error, '"\\u009b2J\\u0085.evil"')
        assert.isTrue(isPrintable(error))
      }
    })
  )

  for (const path of ["/__ipc", "/__ggFrameworkConnection?runtimeId=x", "/__ggFrameworkConnection/any/path"]) {
    live(`isn't answered at ${path} either, which is for upgrades`, () =>
      Effect.gen(function* () {
        const { port } = yield* NodeIPCServer.make()
        const url = `http://127.0.0.1:${port}${path}`
        const foreign = yield* ask(url, { headers: { host: "evil.example" } })
        assert.strictEqual(foreign.status, 403)
        assert.strictEqual((yield* ask(url, { headers: { origin: "https://evil.example" } })).status, 403)
        const own = yield* ask(url, { method: "POST", body: "{}" })
        assert.deepStrictEqual([own.status, own.headers.upgrade], [426, "websocket"])
        assert.deepStrictEqual(JSON.parse(own.text), {
          error: "/__ipc is for IPC clients, which connect by WebSocket."
        })
      })
    )
  }
})

describe("A server's names", () => {
  for (const host of [
    "localhost",
    "LOCALHOST:1234",
    "127.0.0.1",
    "[::1]:80",
    "[0:0:0:0:0:0:0:1]",
    "gateway.local:80",
    "localhost.",
    "localhost.:80",
    "127.0.0.1.",
    "127.1",
    "[::ffff:127.0.0.1]",
    "GATEWAY.local.",
    "xn--bcher-kva.example"
  ]) {
    live(`include ${host}`, () =>
      Effect.gen(function* () {
        const { port } = yield* NodeIPCServer.make({ allowedHosts: ["Gateway.Local", "b\u00fccher.example:443"] })
        yield* upgrade(port, { headers: { host } })
      })
    )
  }

  live("include every address at which it was reached, where it listens at all", () =>
    Effect.gen(function* () {
      const { port } = yield* NodeIPCServer.make({ host: "::", token })
      const headers = { authorization: `Bearer ${token}` }
      for (const { address, family, internal } of Object.values(networkInterfaces()).flatMap((all) => all ?? [])) {
        if (family === "IPv4" || internal) {
          yield* Bare.connect(`ws://${family === "IPv6" ? `[${address}]` : address}:${port}/__ipc`, [], { headers })
        }
      }
      assert.strictEqual((yield* refused(port, { headers: { ...headers, host: "evil.example" } })).status, 403)
    })
  )
})

describe("A name", () => {
  for (const [what, runtimeId, status] of [
    ["as long as it may be", "ü".repeat(256), 101],
    ["too long", "x".repeat(257), 400],
    ["with a line feed, which would forge log lines", "a\nb", 400],
    ["with an escape sequence", "a\u001b[2Jb", 400],
    ["with an escape sequence of one character", "a\u009b2Jb", 400],
    ["with a line separator", "a\u2028b", 400],
    ["that is shown backwards", "a\u202eb", 400],
    ["__proto__", "__proto__", 101]
  ] as const) {
    live(`${what} is answered ${status}`, () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const url = `ws://127.0.0.1:${server.port}/__ipc?runtimeId=${encodeURIComponent(runtimeId)}`
        if (status === 101) {
          yield* Bare.connect(url)
          assert.deepStrictEqual(yield* server.clients, [{ clientId: "client-1", runtimeId }])
        } else {
          assert.deepStrictEqual(yield* Effect.flip(Bare.connect(url)), {
            status,
            body: JSON.stringify({
              error: "The name isn't valid: a runtimeId has at most 256 characters and no control characters."
            })
          })
        }
      })
    )
  }
})

describe("A frame over the limit", () => {
  const Text = IPCServer.defineRequest<string, number>("text")

  for (const [what, limit] of [
    ["of 16 MiB", 16 * 1024 * 1024],
    ["that is small", 1000]
  ] as const) {
    live(`${what} closes its connection with 1009, and no other`, () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make(limit === 1000 ? { maxFrameBytes: limit } : {})
        yield* server.handle(Text, (text) => Effect.succeed(text.length))
        const other = yield* NodeIPCClient.make({ port: server.port, reconnect: false })
        const bare = yield* upgrade(server.port)
        const fits = "x".repeat(limit - 'r:1:text:""'.length)
        yield* bare.send(`r:1:text:"${fits}"`)
        assert.strictEqual(yield* bare.next, `s:1:text:{"success":true,"data":${fits.length}}`)
        yield* bare.send(`r:2:text:"${fits}x"`)
        assert.strictEqual((yield* bare.closed).code, 1009)
        assert.strictEqual(yield* other.request(Text, "still here"), 10)
      })
    )
  }

  live("to a client of ours isn't sent, since the client has said what it takes", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      const client = yield* NodeIPCClient.make({ port: server.port, runtimeId: "small", maxFrameBytes: 1000 })
      yield* client.handle(Echo, Effect.succeed)
      assert.deepStrictEqual(yield* told(server.request("small", Echo, "x".repeat(2000))), {
        tag: "FrameTooLarge",
        message:
          'Request "echo" to small would be a frame of 2011 bytes; the limit is 1000. Send less, or raise { maxFrameBytes } at both ends.'
      })
      assert.strictEqual(yield* server.request("small", Echo, "still here"), "still here")
    })
  )

  live("to a client that has said nothing closes its connection; the request has failed with it", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      const bare = yield* Bare.connect(`ws://127.0.0.1:${server.port}/__ipc?runtimeId=small`, ["effect-ipc.1"])
      const asked = yield* Effect.fork(told(server.request("small", Echo, "x".repeat(2000))))
      yield* bare.next
      bare.webSocket.close(1009, "a frame of 2011 bytes; the limit is 1000")
      assert.deepStrictEqual(yield* asked, {
        tag: "ConnectionClosed",
        message:
          'The connection to small closed (code 1009: a frame of 2011 bytes; the limit is 1000) before request "echo" was answered. Whether it ran there is unknown; send it again only if it may run twice.'
      })
    })
  )

  live("that comes in fragments is one too, and each server names its own limit", () =>
    Effect.gen(function* () {
      for (const maxFrameBytes of [1_000_000, 2_000_000]) {
        const { port } = yield* NodeIPCServer.make({ maxFrameBytes })
        const fragments = yield* upgrade(port)
        for (let sent = 0; sent <= maxFrameBytes; sent += 100_000) {
          fragments.webSocket.send("x".repeat(100_000), { fin: false })
        }
        assert.deepStrictEqual(yield* fragments.closed, FrameLimit.exceeded(maxFrameBytes))
      }
    })
  )
})

describe("A connection", () => {
  live("closed for a reason longer than a close frame takes says as much of it as fits", () =>
    Effect.gen(function* () {
      const bare = yield* Bare.serve("/", "echoFirst")
      const { socket, webSocket } = yield* Bare.connect(`ws://127.0.0.1:${bare.port}/`)
      const { peer } = yield* bare.next
      const transport = WebSocketTransport.make(webSocket, socket, 1000)
      yield* Effect.async<void>((resume) => {
        const ignore = () => {}
        const onClosed = () => resume(Effect.void)
        transport.listen({
          onText: ignore,
          onBytes: ignore,
          onReceiving: ignore,
          onAlive: ignore,
          onDrain: ignore,
          onClosed
        })
        // 124 bytes, the last two of them half of what doesn't fit.
        transport.close({ code: 1006, reason: `${"ü".repeat(60)}xxü` })
      })
      assert.deepStrictEqual(yield* peer.closed, { code: 1000, reason: `${"ü".repeat(60)}xx` })
    })
  )

  live("of a peer that resets at any moment disturbs no other client", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      yield* server.handle(Add, add)
      const other = yield* NodeIPCClient.make({ port: server.port, reconnect: false })
      for (let i = 0; i < 50; i++) {
        const { send, socket } = yield* upgrade(server.port)
        yield* send("r:1:math/add:{}")
        socket.resetAndDestroy()
      }
      assert.strictEqual(yield* other.request(Add, { a: 1, b: 1 }), 2)
    })
  )

  live("of a slow handler makes no other wait, nor its own other requests", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      const gate = yield* Deferred.make<void>()
      const Slow = IPCServer.defineRequest<void, string>("slow")
      yield* server.handle(Slow, () => Effect.as(Deferred.await(gate), "done"))
      yield* server.handle(Add, add)
      const client = yield* NodeIPCClient.make({ port: server.port })
      const slow = yield* Effect.fork(client.request(Slow))
      assert.strictEqual(yield* client.request(Add, { a: 1, b: 1 }), 2)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(slow), "done")
    })
  )
})
