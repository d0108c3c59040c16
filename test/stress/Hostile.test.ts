import { randomBytes } from "node:crypto"
import * as net from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { NodeIPCClient } from "../../layers/index.js"
import * as Child from "../support/Child.js"
import { live } from "../support/live.js"
import { clockWithoutWaiting } from "../support/processor.js"
import { closed, frame, textFrame, upgraded, write } from "../support/rawFrames.js"
import { Add } from "../support/requests.js"

interface Memory {
  readonly heap: number
  /** What lies beside the heap: buffers, and strings that came from outside. */
  readonly external: number
  readonly rss: number
  readonly clients: number
  readonly polluted: boolean
}

const mib = 1024 * 1024

/** Texts that are frames for ws but not for us, or for us but not for any handler. The connection outlives them. */
const hostileTexts: ReadonlyArray<string> = [
  "",
  ":",
  ":::",
  "::::::::::",
  "r",
  "r:",
  "r:1",
  "r:1:math/add",
  "x:1:math/add:{}",
  "m:1:math/add:{}",
  "\u0000:\u0000:\u0000:\u0000",
  "r::math/add:{}",
  "r:-1:math/add:{}",
  "r:1e9:math/add:{}",
  "r:0x1:math/add:{}",
  "r:NaN:math/add:{}",
  `r:${"9".repeat(400)}:math/add:{}`,
  `s:${Number.MAX_SAFE_INTEGER}0:math/add:{}`,
  `s:${Number.MAX_SAFE_INTEGER}:math/add:{"success":true}`,
  "s:1:math/add:",
  "s:1:math/add:null",
  's:1:math/add:{"success":"perhaps"}',
  's:1:math/add:{"success":false,"error":{}}',
  "c:1::",
  "c:99999999999999999999::",
  "c:::",
  "m::math/add:{",
  'm::math/add:{"a":',
  "m::math/add:[1,2",
  'm::math/add:{"a":1e99999,"b":-0}',
  "m::math/add:undefined",
  "m::__proto__:{}",
  "m::constructor:{}",
  "m::toString:",
  "m::hasOwnProperty:null",
  'm::math/add:{"__proto__":{"polluted":true},"a":1,"b":1}',
  'm::math/add:{"constructor":{"prototype":{"polluted":true}},"a":1,"b":1}',
  'm::users/get:{"__proto__":{"polluted":true},"id":"1"}',
  'r:1:users/get:{"__proto__":{"id":"7"}}',
  "r:2:__proto__:{}",
  "r:3:constructor:{}",
  's:__proto__:x:{"success":true}',
  `r:4:${"p".repeat(5000)}:{}`,
  `m::math/add:${"[".repeat(5000)}`,
  `m::math/add:${"[".repeat(2000)}${"]".repeat(2000)}`,
  `m::math/add:${'{"a":'.repeat(1000)}1${"}".repeat(1000)}`,
  'r:5:math/add:"\\ud800"',
  "m::math/add:\ufeff{}",
  "m::ma\u202eth/add:{}",
  "r:6:math/add:{}\nr:7:math/add:{}\n\n\n",
  "🂡:🂢:🂣:🂤"
]

/** Bytes after which there's nothing for it but to close the connection. */
const fatalBytes: ReadonlyArray<Buffer> = [
  // Half of a character, an overlong one, a surrogate, a byte that is never in UTF-8.
  frame(Buffer.from([0x6d, 0x3a, 0x3a, 0xe2, 0x82])),
  frame(Buffer.from([0xc0, 0xaf])),
  frame(Buffer.from([0xed, 0xa0, 0x80])),
  frame(Buffer.from([0xff])),
  // Half of a character in each of two fragments, the other half never coming.
  Buffer.concat([frame(Buffer.from([0x6d, 0xe2]), { fin: false }), frame(Buffer.from([0x82]), { opcode: 0 })]),
  frame(Buffer.from("m::a:"), { masked: false }),
  frame(Buffer.from("m::a:"), { rsv: 7 }),
  frame(Buffer.from("m::a:"), { opcode: 3 }),
  frame(Buffer.from("m::a:"), { opcode: 15 }),
  frame(Buffer.from("x"), { opcode: 0 }),
  frame(Buffer.alloc(126), { opcode: 9 }),
  frame(Buffer.from("x"), { opcode: 9, fin: false }),
  frame(Buffer.from([0x03]), { opcode: 8 }),
  frame(Buffer.from([0x03, 0xed]), { opcode: 8 }),
  frame(Buffer.from([0x03, 0xe8, 0xff, 0xff]), { opcode: 8 }),
  // A frame that says it is 17 MiB, 2^53 bytes, or more than there are.
  frame(Buffer.from("m::a:"), { toldLength: 17 * mib }),
  frame(Buffer.from("m::a:"), { toldLength: 2 ** 53 }),
  Buffer.concat([Buffer.from([0x81, 0xff]), Buffer.alloc(8, 0xff), Buffer.alloc(4)]),
  Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  Buffer.alloc(1000)
]

const frameCount = 300_000
const attackers = 4
/** What a connection holds unsent by default. */
const highWaterMark = 16 * mib
/** More than four times what the kernel and the mark together take. */
const answersEach = 600
const answerBytes = 64 * 1024
const memoryMargin = 48 * mib
/** By how much a heap differs from one look to the next. */
const heapNoise = 8 * mib
/** The slowest of all good requests, but for what waited for a processor. */
const promptMillis = 10_000

/** V8's room for new objects, as Node 20 has it by default. Later versions reserve more without using it. */
const nodeArgs = ["--expose-gc", "--max-semi-space-size=16"]

const start = (options: Child.ChildOptions = {}) =>
  Effect.gen(function* () {
    const child = yield* Child.start("ipc-hostile.ts", { nodeArgs, ...options })
    const port = Number(yield* child.line("port"))
    const look = Effect.map(child.ask("memory", "memory"), (json) => JSON.parse(json) as Memory)
    // The least of three: what was about to go is gone from one of them.
    const memory = Effect.map(Effect.all([look, look, look]), (three): Memory => {
      const least = (of: "heap" | "external" | "rss") => Math.min(...three.map((one) => one[of]))
      return { ...three[2], heap: least("heap"), external: least("external"), rss: least("rss") }
    })
    const end = Effect.gen(function* () {
      yield* child.tell("end")
      assert.deepStrictEqual(yield* child.exit, { code: 0, signal: null }, child.stderr())
    })
    return { child, port, memory, end }
  })

/** A well-behaved client that asks for sums one after the other. When stopped, it tells the longest it has waited, in milliseconds. */
const goodClient = (port: number, pid: number, token?: string) =>
  Effect.gen(function* () {
    const client = yield* NodeIPCClient.make({ port, token, runtimeId: "good", reconnect: false })
    const now = clockWithoutWaiting(pid)
    let longest = 0
    let count = 0
    const ask = Effect.gen(function* () {
      const before = now()
      const a = count
      assert.strictEqual(yield* client.request(Add, { a, b: 1 }), a + 1)
      longest = Math.max(longest, now() - before)
      count++
    })
    const asking = yield* Effect.fork(Effect.forever(ask))
    const stop = Effect.gen(function* () {
      yield* ask
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(asking)))
      return { longest: Math.round(longest), count }
    })
    return { ask, stop }
  })

/** Reads until so many bytes have come. */
const received = (socket: net.Socket, bytes: number) =>
  Effect.async<void, Error>((resume) => {
    let left = bytes
    socket.on("data", (chunk: Buffer) => {
      left -= chunk.length
      if (left <= 0) resume(Effect.void)
    })
    socket.once("close", () => resume(Effect.fail(new Error(`closed before the last ${left} bytes`))))
    socket.resume()
  })

describe("A server attacked", () => {
  live(
    "by 300,000 hostile frames answers others promptly, its memory and log bounded",
    () =>
      Effect.gen(function* () {
        const { child, end, memory, port } = yield* start()
        const good = yield* goodClient(port, child.pid)
        const batch = Buffer.concat(hostileTexts.map(textFrame))
        const some = Buffer.concat(Array.from({ length: 10 }, () => batch))
        const attack = Effect.gen(function* () {
          const socket = yield* upgraded(port)
          for (let sent = 0; sent < frameCount / 2 / attackers; sent += 10 * hostileTexts.length) {
            yield* write(socket, some)
            if (socket.destroyed) return yield* Effect.die("the connection must outlive these")
          }
        }).pipe(Effect.scoped)
        const attackFromAll = Effect.all(
          Array.from({ length: attackers }, () => attack),
          { concurrency: "unbounded" }
        )

        const started = performance.now()
        // The first half compiles everything, and has V8 take the room that it keeps for new objects.
        yield* attackFromAll
        const before = yield* memory
        yield* attackFromAll
        const seconds = (performance.now() - started) / 1000
        const { count, longest } = yield* good.stop
        const after = yield* memory

        console.log(
          `${frameCount} hostile frames in ${seconds.toFixed(1)} s; meanwhile ${count} good requests, the slowest ${longest} ms; ` +
            `heap ${(before.heap / mib).toFixed(1)} -> ${(after.heap / mib).toFixed(1)} MiB, rss ${(before.rss / mib).toFixed(0)} -> ${(after.rss / mib).toFixed(0)} MiB, log ${child.stdoutBytes() + child.stderr().length} bytes`
        )
        assert.isFalse(after.polluted)
        assert.isBelow(longest, promptMillis)
        assert.isBelow(after.heap - before.heap, heapNoise)
        assert.isBelow(after.rss - before.rss, memoryMargin)
        // Ten lines a connection, each of a hundred characters of the frame and some of our own.
        assert.isBelow(child.stdoutBytes() + child.stderr().length, 64 * 1024)
        yield* end
      }),
    300_000
  )

  live(
    "by bytes that no connection survives, a thousand times, loses those connections alone",
    () =>
      Effect.gen(function* () {
        const { child, end, memory, port } = yield* start()
        const good = yield* goodClient(port, child.pid)
        const kill = (i: number) =>
          Effect.gen(function* () {
            const socket = yield* upgraded(port, i % 2 === 0 ? undefined : "effect-ipc.1")
            const bytes = i < 600 ? (fatalBytes[i % fatalBytes.length] as Buffer) : randomBytes(1 + (i % 2000))
            yield* write(socket, bytes)
            // What random bytes say may be the beginning of something: then the end of them is the end.
            if (i >= 600) socket.end()
            yield* closed(socket)
          }).pipe(Effect.scoped)
        yield* Effect.forEach(
          Array.from({ length: 100 }, (_, i) => i),
          kill,
          { concurrency: 20 }
        )
        const before = yield* memory
        yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, i) => i),
          kill,
          { concurrency: 20 }
        )
        const { longest } = yield* good.stop
        const after = yield* memory
        assert.deepStrictEqual([after.clients, after.polluted], [1, false])
        assert.isBelow(after.heap - before.heap, heapNoise)
        assert.isBelow(longest, promptMillis)
        assert.isBelow(child.stdoutBytes() + child.stderr().length, 1024 * 1024)
        yield* end
      }),
    120_000
  )

  live(
    "by three thousand upgrades without its token keeps nothing of them, and takes who has it",
    () =>
      Effect.gen(function* () {
        const token = "a secret of the tests"
        const { child, end, memory, port } = yield* start({ args: [token] })
        const good = yield* goodClient(port, child.pid, token)
        const nonce = "A".repeat(22)
        const proof = `Effect-IPC nonce="${nonce}", cnonce="${nonce}", host="localhost", port="${port}", address="127.0.0.1", proof="${"A".repeat(43)}"`
        const credentials = ["Effect-IPC", proof, `Bearer ${"x".repeat(8000)}`, `Effect-IPC ${'x="y", '.repeat(1000)}`]
        const refused = (i: number) =>
          Effect.async<string>((resume) => {
            const authorization = credentials[i % credentials.length]
            const socket = net.connect(port, "127.0.0.1", () =>
              socket.write(
                `GET /__ipc?runtimeId=good HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nAuthorization: ${authorization}\r\n\r\n`
              )
            )
            let status = ""
            socket.on("data", (data) => {
              status ||= data.toString("latin1", 0, 12)
            })
            socket.on("error", () => {})
            socket.on("close", () => resume(Effect.succeed(status)))
          })
        const flood = (count: number) =>
          Effect.forEach(
            Array.from({ length: count }, (_, i) => i),
            refused,
            { concurrency: 50 }
          )
        yield* flood(200)
        const before = yield* memory
        const flooding = yield* Effect.fork(flood(3000))
        for (let i = 0; i < 10; i++) yield* Effect.scoped(NodeIPCClient.make({ port, token, reconnect: false }))
        assert.deepStrictEqual([...new Set(yield* Fiber.join(flooding))], ["HTTP/1.1 401"])
        const { longest } = yield* good.stop
        const after = yield* memory
        assert.strictEqual(after.clients, 1)
        assert.isBelow(after.heap + after.external - before.heap - before.external, 8 * mib)
        assert.isBelow(longest, promptMillis)
        assert.strictEqual(child.stderr(), "")
        yield* end
      }),
    60_000
  )

  live(
    "by clients that never read their answers holds back those alone, its memory bounded",
    () =>
      Effect.gen(function* () {
        const { child, end, memory, port } = yield* start()
        const good = yield* goodClient(port, child.pid)
        const before = yield* memory
        const request = Buffer.concat(
          Array.from({ length: answersEach }, (_, i) => textFrame(`r:${i}:blob:${answerBytes}`))
        )
        const sockets = yield* Effect.forEach(Array.from({ length: 4 }), () => upgraded(port))
        yield* Effect.forEach(sockets, (socket) => write(socket.pause(), request))
        // All of it has been taken in by the time that it answers others.
        yield* Effect.repeatN(good.ask, 20)
        const during = yield* memory
        const held = during.heap + during.external - before.heap - before.external
        assert.isBelow(held, 4 * highWaterMark + heapNoise)
        // Each is only held back: it is answered as it reads.
        yield* Effect.forEach(sockets, (socket) => received(socket, answersEach * answerBytes), {
          concurrency: "unbounded"
        })
        const { longest } = yield* good.stop
        assert.isBelow(longest, promptMillis)
        yield* end
      }).pipe(Effect.scoped),
    120_000
  )

  live(
    "by clients that send large requests and read no answer holds twice the high-water mark for each",
    () =>
      Effect.gen(function* () {
        const { child, end, memory, port } = yield* start()
        const good = yield* goodClient(port, child.pid)
        const before = yield* memory
        const scope = yield* Scope.make()
        const sockets = yield* Scope.extend(
          Effect.forEach(Array.from({ length: 3 }), () => upgraded(port)),
          scope
        )
        const large = Buffer.from(`"${"x".repeat(7_000_000)}"`)
        const flood = (socket: net.Socket) =>
          Effect.gen(function* () {
            socket.pause()
            for (let i = 0; i < 25; i++) yield* write(socket, textFrame(`r:${i}:mirror:${large}`))
          })
        // All of it is read, whether or not it is answered.
        yield* Effect.forEach(sockets, flood, { concurrency: "unbounded" })
        const { longest } = yield* good.stop
        const during = yield* memory
        const held = during.heap + during.external - before.heap - before.external
        assert.isBelow(held, 3 * 2 * highWaterMark)
        assert.isBelow(longest, promptMillis)
        yield* Scope.close(scope, Exit.void)
        yield* end
        assert.isBelow(child.stderr().length, 64 * 1024)
      }),
    120_000
  )

  live(
    "by more connections than it has file descriptors goes on with those it has, and takes new ones later",
    () =>
      Effect.gen(function* () {
        const { child, end, port } = yield* start({ openFiles: 250 })
        const good = yield* goodClient(port, child.pid)
        const sockets = Array.from({ length: 500 }, () => net.connect(port, "127.0.0.1"))
        yield* Effect.forEach(
          sockets,
          (socket) =>
            Effect.async<void>((resume) => {
              socket.on("error", () => {})
              socket.once("connect", () => resume(Effect.void))
              socket.once("close", () => resume(Effect.void))
            }),
          { concurrency: "unbounded" }
        )
        const { count } = yield* good.stop
        assert.isAbove(count, 0)
        for (const socket of sockets) socket.destroy()
        // It learns of each one's end in its own time.
        const late = yield* Effect.retry(NodeIPCClient.make({ port, reconnect: false }), Schedule.spaced("20 millis"))
        assert.strictEqual(yield* late.request(Add, { a: 1, b: 1 }), 2)
        yield* end
      }),
    120_000
  )
})
