import { subscribe, unsubscribe } from "node:diagnostics_channel"
import * as http from "node:http"
import * as net from "node:net"
import type { Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { HttpProxyUpstream } from "../../../layers/http-proxy/index.js"
import * as UndiciUpstream from "../../../layers/UndiciUpstream.js"
import { untilConstant } from "../../support/turns.js"
import { ask, connect, converse, event, proxied, serveGateway, serveGatewayBy } from "./support.js"

/** An upstream that answers the n-th request's headers with text, and then ends or not. */
const answering = (
  answer: (socket: net.Socket, request: string) => void
): Effect.Effect<{ readonly url: string; readonly port: number }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<net.Socket>()
      const server = net.createServer((socket) => {
        sockets.add(socket.on("error", () => {}))
        let text = ""
        socket.on("data", (chunk) => {
          text += chunk.toString("latin1")
          if (!text.includes("\r\n\r\n")) return
          const request = text
          text = ""
          answer(socket, request)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as net.AddressInfo
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const behind = (answer: (socket: net.Socket, request: string) => void) =>
  Effect.gen(function* () {
    const upstream = yield* answering(answer)
    const gateway = yield* serveGateway({ headersTimeout: 5_000 })
    yield* gateway.gateway.proxy(() => upstream.url)
    return gateway
  })

describe("what an upstream answers", () => {
  it.scopedLive("has its reason phrase passed on, without what a phrase can't contain", () =>
    Effect.gen(function* () {
      const { port } = yield* behind((socket) =>
        socket.end(Buffer.from("HTTP/1.1 400 Requ\xeate invalide\r\nContent-Length: 2\r\n\r\nno", "latin1"))
      )
      const answer = yield* converse(port, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      assert.match(answer, /^HTTP\/1\.1 400 Requ.?te invalide\r\n[\s\S]*\r\n\r\nno$/)
    })
  )

  const cases: Record<string, string> = {
    "an impossible status": "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": "HTTP/1.1 2000 High\r\nContent-Length: 0\r\n\r\n",
    "a status of 600": "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
    "a control character in a header": "HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "a DEL in a header": "HTTP/1.1 200 OK\r\nX-A: a\x7fb\r\nContent-Length: 0\r\n\r\n",
    "a header without a name": "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n",
    "a header's name with a space": "HTTP/1.1 200 OK\r\nX A: a\r\nContent-Length: 0\r\n\r\n",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "another transfer coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a trailer with a control character":
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n1\r\na\r\n0\r\nX-T: a\x01b\r\n\r\n",
    "a switch that wasn't asked for": "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "a switch to nothing": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "no HTTP": "hello\r\n\r\n",
    nothing: "",
    "headers without end": `HTTP/1.1 200 OK\r\n${"X-A: b\r\n".repeat(10_000)}\r\n`
  }

  it.scopedLive("is passed on, cleaned, or a 502, and never ends the process or leaves the client waiting", () =>
    Effect.gen(function* () {
      let text = ""
      const { port, url } = yield* behind((socket) => socket.end(Buffer.from(text, "latin1")))
      const statuses: Record<string, string | undefined> = {}
      for (const [name, answer] of Object.entries(cases)) {
        text = answer
        for (const kind of ["", "Upgrade: x\r\n"]) {
          const request = `GET / HTTP/1.1\r\nHost: x\r\nConnection: close${kind === "" ? "" : ", upgrade"}\r\n${kind}\r\n`
          const received = yield* converse(port, request)
          const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(received) ?? []
          assert.isDefined(status, `${name}, ${kind}: ${received}`)
          if (kind === "") statuses[name] = status
        }
      }
      assert.deepStrictEqual(
        Object.entries(statuses).filter(([, status]) => status !== "502"),
        [
          ["a status of 600", "600"],
          ["a trailer with a control character", statuses["a trailer with a control character"]]
        ]
      )
      text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
      assert.strictEqual((yield* ask(url)).text, "ok")
    })
  )

  it.scopedLive("has no length where its status has no content, and its next response is read", () =>
    Effect.gen(function* () {
      const answers = [
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
      ]
      for (const client of [UndiciUpstream.layer(), HttpProxyUpstream.layer()]) {
        let at = 0
        const upstream = yield* answering((socket) => socket.write(answers[at++ % 3] as string))
        const { gateway, port } = yield* serveGatewayBy(client)
        yield* gateway.proxy(() => upstream.url)
        const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        const received = yield* converse(port, request.repeat(2) + request.replace("x", "x\r\nConnection: close"))
        const lengths = received
          .split(/(?=HTTP\/1\.1 )/)
          .map((message) => [
            message.slice(9, 12),
            /content-length: (\d+)/i.exec(message)?.[1],
            message.split("\r\n\r\n")[1]
          ])
        assert.deepStrictEqual(lengths.slice(-3), [
          ["204", undefined, ""],
          ["205", "2", "ok"],
          ["304", "5", ""]
        ])
        if (lengths.length > 3) assert.deepStrictEqual(lengths[0], ["103", undefined, ""])
      }
    })
  )

  for (const [end, close] of Object.entries({
    closes: (socket: net.Socket) => socket.destroySoon(),
    "closes at once": (socket: net.Socket) => setImmediate(() => socket.destroy())
  })) {
    it.scopedLive(`to an upload that it doesn't read arrives, though the upstream ${end}`, () =>
      Effect.gen(function* () {
        const { url } = yield* behind((socket) => {
          socket.pause()
          socket.write("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig", () =>
            close(socket)
          )
        })
        for (let i = 0; i < 5; i++) {
          const { status, text } = yield* ask(url, { method: "POST", body: Buffer.alloc(20_000_000) })
          assert.deepStrictEqual([status, text], [413, "big"])
        }
      })
    )
  }

  it.scopedLive("to an upload that Node's server refuses arrives", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({
        onRequest: (_, response) => {
          response.writeHead(413, { connection: "close" })
          response.end("too big")
        }
      })
      for (let i = 0; i < 10; i++) {
        const { status, text } = yield* ask(gateway.url, { method: "POST", body: Buffer.alloc(20_000_000) })
        assert.deepStrictEqual([status, text], [413, "too big"])
      }
    })
  )

  it.scopedLive("before the final response is passed on, to a client that knows of it", () =>
    Effect.gen(function* () {
      const information =
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: not a link\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
      const { port } = yield* behind((socket, request) =>
        socket.write(
          `${information}HTTP/1.1 ${request.includes("pgrade: x") ? 426 : 200} It Is\r\nContent-Length: 2\r\n\r\nok`
        )
      )
      const information1 = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: not a link\r\n\r\n"
      const client = yield* connect(port)
      client.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* client.until("ok")
      assert.isTrue(
        client.received.startsWith(`${information1}HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 It Is\r\n`),
        client.received
      )
      client.received = ""
      client.socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
      yield* client.until("ok")
      assert.isTrue(client.received.startsWith(`${information1}HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 426 `))
      const old = yield* converse(port, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
      assert.match(old, /^HTTP\/1\.1 200 /)
    })
  )

  it.scopedLive("may begin with a 100 that wasn't asked for, any number of times", () =>
    Effect.gen(function* () {
      const go = "HTTP/1.1 100 Continue\r\n\r\n"
      const beginnings = ["", go, `${go}${go}`, `HTTP/1.1 103 Early Hints\r\nX-A: 100\r\n\r\n${go}`]
      let beginning = ""
      const { port } = yield* behind((socket, request) => {
        socket.write(beginning)
        // In a piece of its own, or together with what follows.
        const rest = `HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\nHTTP/1.1 100 is the body`
        if (request.includes("/later")) setImmediate(() => socket.write(rest))
        else socket.write(rest)
      })
      const client = yield* connect(port)
      for (const path of ["/at-once", "/later"]) {
        for (beginning of beginnings) {
          client.received = ""
          client.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
          yield* client.until("HTTP/1.1 100 is the body")
          assert.isTrue(client.received.startsWith(`${beginning}HTTP/1.1 200 OK\r\n`), client.received)
        }
      }
    })
  )

  it.scopedLive("may have trailers, for which a client asks by TE", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const { gateway } = yield* proxied({
        onRequest: (request, response) => {
          asked.push(request.headers.te)
          response.writeHead(200, { trailer: "x-sum" })
          response.write("body")
          response.addTrailers({ "x-sum": "1" })
          response.end()
        }
      })
      for (const te of ["trailers", "deflate;q=0.5, Trailers", "gzip"]) {
        const { trailers } = yield* ask(gateway.url, { headers: { te, connection: "close, TE" } })
        assert.deepStrictEqual({ ...trailers }, { "x-sum": "1" })
      }
      assert.deepStrictEqual(asked, ["trailers", "trailers", undefined])
    })
  )
})

/** A body that no part of another one equals. */
const bodyOf = (path: string): Buffer => {
  const [, id, length] = path.split("/").map(Number)
  const body = Buffer.alloc(length as number)
  for (let at = 0; at + 4 <= body.length; at += 4) body.writeUInt32LE((id as number) * 0x1000000 + at, at)
  return body
}

/** Replaces the function `write`. */
type Keep = (writable: Pick<Writable, "write">) => void

const keepingOn = (prototype: Pick<Writable, "write">, keep: Keep) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.getOwnPropertyDescriptor(prototype, "write")
      keep(prototype)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        Reflect.deleteProperty(prototype, "write")
        if (before !== undefined) Object.defineProperty(prototype, "write", before)
      })
  )

describe("a large body", () => {
  const paths = Array.from({ length: 24 }, (_, i) => `/${i}/${[3_000_000, 65_536 * 4, 90_001, 16_384][i % 4]}`)
  const upstream = {
    onRequest: (request: http.IncomingMessage, response: http.ServerResponse) => {
      const body = bodyOf(request.url as string)
      // By length, by chunks, or with pieces small and large in turn.
      const kind = Number(request.url?.split("/")[1]) % 3
      if (kind === 0) response.setHeader("content-length", body.length)
      if (kind === 2) for (let at = 0; at < 50_000; at += 5_000) response.write(body.subarray(at, at + 5_000))
      response.end(kind === 2 ? body.subarray(50_000) : body)
    }
  }
  const long = paths.filter((path) => bodyOf(path).length > 50_000)
  const some = long.slice(0, 8)

  it.scopedLive("reaches each of many clients whole, and one that reads late", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied(upstream)
      // More than the system holds of it.
      const path = "/30/60000000"
      const late = yield* Effect.async<http.IncomingMessage>((resume) => {
        http.get(gateway.url + path, { agent: false }, (response) => resume(Effect.succeed(response)))
      })
      yield* untilConstant(() => [...gateway.sockets].reduce((sum, socket) => sum + socket.bytesWritten, 0))
      for (let round = 0; round < 2; round++) {
        const answers = yield* Effect.forEach(long, (path) => ask(gateway.url + path), { concurrency: 8 })
        for (const [i, { body }] of answers.entries()) assert.isTrue(body.equals(bodyOf(long[i] as string)))
      }
      const chunks: Array<Buffer> = yield* Effect.promise(() => late.toArray())
      assert.isTrue(Buffer.concat(chunks).equals(bodyOf(path)))
    })
  )

  it.scopedLive("stays as it is for those that see it pass", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied(upstream)
      const tapped: Array<Buffer> = []
      const watching = gateway.gateway.watch((exchange) => {
        exchange.response.tap({ onBody: (bytes) => tapped.push(bytes) > 0 })
        return exchange
      })
      const shown: Array<Buffer> = []
      const show = (message: unknown) => shown.push((message as { readonly chunk: Buffer }).chunk)
      const showing = Effect.acquireRelease(
        Effect.sync(() => subscribe("undici:request:bodyChunkReceived", show)),
        () => Effect.sync(() => unsubscribe("undici:request:bodyChunkReceived", show))
      )
      for (const [watch, seen] of [[watching, tapped] as const, [showing, shown] as const]) {
        yield* Effect.scoped(
          Effect.zipRight(
            watch,
            Effect.forEach(long, (path) => ask(gateway.url + path))
          )
        )
        const expected = Buffer.concat(long.map(bodyOf))
        assert.isTrue(Buffer.concat(seen).equals(expected))
      }
    })
  )

  const patched = {
    "of one response": Effect.fnUntraced(function* (keep: Keep) {
      const onStart = (message: unknown) => keep((message as { readonly response: http.ServerResponse }).response)
      yield* Effect.acquireRelease(
        Effect.sync(() => subscribe("http.server.request.start", onStart)),
        () => Effect.sync(() => unsubscribe("http.server.request.start", onStart))
      )
    }),
    "of all responses": (keep: Keep) => keepingOn(http.ServerResponse.prototype, keep),
    "of whatever is sent by HTTP": (keep: Keep) => keepingOn(http.OutgoingMessage.prototype, keep),
    "of all sockets": (keep: Keep) => keepingOn(net.Socket.prototype, keep)
  }

  it.scopedLive.each(Object.keys(patched) as Array<keyof typeof patched>)(
    "stays as it is for a tool that has replaced the write function %s",
    (of) =>
      Effect.gen(function* () {
        const { gateway } = yield* proxied(upstream)
        const kept: Array<{ readonly chunk: Buffer; readonly copy: Buffer }> = []
        yield* patched[of]((writable) => {
          const { write } = writable
          writable.write = function (this: unknown, ...args: ReadonlyArray<unknown>) {
            const [chunk] = args
            if (Buffer.isBuffer(chunk)) kept.push({ chunk, copy: Buffer.from(chunk) })
            return Reflect.apply(write, this, args)
          }
        })
        yield* Effect.forEach(some, (path) => ask(gateway.url + path))
        assert.isAbove(kept.length, some.length)
        for (const { chunk, copy } of kept) assert.isTrue(chunk.equals(copy))
      })
  )
})

describe("an upstream restarted on its port between two requests", () => {
  it.scopedLive("costs no GET a 502, though the kept-alive connections are stale", () =>
    Effect.gen(function* () {
      const { gateway } = yield* serveGateway().pipe(Effect.map((gateway) => ({ gateway })))
      let port = 0
      const start = () =>
        Effect.async<net.Server>((resume) => {
          const server = net.createServer((socket) => {
            socket.on("error", () => {})
            sockets.add(socket)
            socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
          })
          server.listen(port, "127.0.0.1", () => {
            port = (server.address() as net.AddressInfo).port
            resume(Effect.succeed(server))
          })
        })
      const sockets = new Set<net.Socket>()
      yield* gateway.gateway.proxy(() => `http://127.0.0.1:${port}`)
      for (let i = 0; i < 20; i++) {
        const server = yield* start()
        const answers = yield* Effect.all([ask(gateway.url), ask(gateway.url), ask(gateway.url)], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          answers.map(({ text }) => text),
          ["ok", "ok", "ok"]
        )
        const closed = event()
        server.close(() => closed.fire())
        for (const socket of sockets) {
          if (i % 2 === 0) socket.resetAndDestroy()
          else socket.destroy()
        }
        sockets.clear()
        yield* closed.wait
      }
    })
  )
})
