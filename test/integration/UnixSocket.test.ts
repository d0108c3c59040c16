import * as Fs from "node:fs"
import * as http from "node:http"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as TestServices from "effect/TestServices"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import * as StaleSockets from "../../layers/ipc/StaleSockets.js"
import * as UnixSocket from "../../layers/ipc/UnixSocket.js"
import { ConnectFailed } from "../../src/index.js"
import * as Child from "../support/Child.js"
import { until } from "../support/discovery.js"
import { live } from "../support/live.js"
import * as Port from "../support/Port.js"
import { Add, add } from "../support/requests.js"

const token = "a secret of the tests"

const user = process.getuid?.() ?? -1
const namespace = /\d+/.exec(Fs.readlinkSync("/proc/self/ns/net"))?.[0]
const fileOf = (port: number) => join(tmpdir(), `effect-ipc-${user}`, `${namespace}-${port}`)

/** Another directory for temporary files, until the scope closes. */
const temporary = (name = "") =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env.TMPDIR
      const made = Fs.mkdtempSync(join(tmpdir(), "effect-ipc-unix-"))
      const directory = join(made, name)
      Fs.mkdirSync(directory, { recursive: true })
      process.env.TMPDIR = directory
      return { before, directory, made }
    }),
    ({ before, made }) =>
      Effect.sync(() => {
        if (before === undefined) delete process.env.TMPDIR
        else process.env.TMPDIR = before
        Fs.rmSync(made, { recursive: true })
      })
  )

const serve = (options: NodeIPCServer.NodeIPCServerOptions = {}) =>
  Effect.tap(NodeIPCServer.make(options), ({ handle }) => handle(Add, add))

/** Whether a client that is told the port is answered. */
const sum = (port: number, options: NodeIPCClient.NodeIPCClientOptions = {}) =>
  Effect.scoped(
    Effect.flatMap(NodeIPCClient.make({ port, reconnect: false, ...options }), ({ request }) =>
      request(Add, { a: 1, b: 2 })
    )
  )

const inode = (file: string) => Fs.lstatSync(file).ino

/** A port at which nobody listens, with the Unix socket of another one: a client that connects can't have done it by TCP. */
const beside = (port: number) =>
  Effect.acquireRelease(
    Effect.tap(Effect.promise(Port.free), (free) => Effect.sync(() => Fs.linkSync(fileOf(port), fileOf(free)))),
    (free) => Effect.sync(() => Fs.rmSync(fileOf(free)))
  )

describe("A client on the server's machine", () => {
  for (const host of ["127.0.0.1", "localhost", "127.1", "a.localhost"]) {
    live(`connects by the Unix socket, given the port of ${host}`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve({ allowedHosts: ["a.localhost"] })
        assert.strictEqual(yield* sum(yield* beside(port), { host }), 3)
      })
    )
  }

  live("connects by TCP where it is told to", () =>
    Effect.gen(function* () {
      const { port } = yield* serve()
      assert.strictEqual(yield* sum(port, { transport: "tcp" }), 3)
      const { reason } = yield* Effect.flip(
        NodeIPCClient.make({ port: yield* beside(port), transport: "tcp", reconnect: false })
      )
      assert.strictEqual(reason, "Refused")
    })
  )

  live("proves the token on it, and is refused with another", () =>
    Effect.gen(function* () {
      const linked = yield* Effect.promise(Port.free)
      const { port } = yield* serve({ token, allowedHosts: [`127.0.0.1:${linked}`] })
      yield* Effect.acquireRelease(
        Effect.sync(() => Fs.linkSync(fileOf(port), fileOf(linked))),
        () => Effect.sync(() => Fs.rmSync(fileOf(linked)))
      )
      assert.strictEqual(yield* sum(linked, { token }), 3)
      const refused = yield* Effect.flip(sum(linked, { token: "another secret of the tests" }))
      assert.deepInclude(refused, { reason: "Rejected", status: 401 })
      // The proof is for the port that was dialled.
      assert.deepInclude(yield* Effect.flip(sum(yield* beside(port), { token })), { reason: "Rejected", status: 401 })
    })
  )

  live("trusts no server there that doesn't prove the token", () =>
    Effect.gen(function* () {
      yield* temporary()
      const { port } = yield* serve({ token })
      Fs.rmSync(fileOf(port))
      const impostor = http.createServer()
      let asked: string | undefined
      impostor.on("upgrade", ({ headers }, socket) => {
        asked = headers.authorization
        socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
      })
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void impostor.listen(fileOf(port), () => resume(Effect.void))),
        () => Effect.sync(() => impostor.close())
      )
      const refused = yield* Effect.flip(sum(port, { token, reconnect: false }))
      assert.instanceOf(refused, ConnectFailed)
      assert.notInclude(asked, token)
    })
  )
})

describe("A client connects by TCP", () => {
  live("where the server that put the file there was killed", () =>
    Effect.gen(function* () {
      yield* temporary()
      const killed = yield* Child.start("leader.ts", {})
      const port = Number(yield* killed.line("port"))
      const left = inode(fileOf(port))
      process.kill(killed.pid, "SIGKILL")
      yield* killed.exit
      assert.strictEqual(inode(fileOf(port)), left)
      const next = http.createServer((_, response) => response.writeHead(418).end())
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void next.listen(port, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => next.close())
      )
      assert.deepInclude(yield* Effect.flip(sum(port)), { reason: "Rejected", status: 418 })
    })
  )

  const spoilt = {
    "a link": (file: string) => {
      Fs.renameSync(file, `${file}.real`)
      Fs.symlinkSync(`${file}.real`, file)
    },
    "a plain file": (file: string) => {
      Fs.rmSync(file)
      Fs.writeFileSync(file, "")
    }
  }
  for (const [what, spoil] of Object.entries(spoilt)) {
    live(`where the file is ${what}`, () =>
      Effect.gen(function* () {
        yield* temporary()
        const { port } = yield* serve()
        const linked = yield* beside(port)
        spoil(fileOf(linked))
        assert.deepInclude(yield* Effect.flip(sum(linked)), { reason: "Refused" })
        spoil(fileOf(port))
        assert.strictEqual(yield* sum(port), 3)
      })
    )
  }

  live("where others may write to the directory", () =>
    Effect.gen(function* () {
      yield* temporary()
      const { port } = yield* serve()
      const linked = yield* beside(port)
      Fs.chmodSync(join(tmpdir(), `effect-ipc-${user}`), 0o770)
      assert.deepInclude(yield* Effect.flip(sum(linked)), { reason: "Refused" })
      assert.strictEqual(yield* sum(port), 3)
    })
  )

  live("where another server has the same port of another address", () =>
    Effect.gen(function* () {
      yield* temporary()
      const first = yield* serve()
      const second = yield* NodeIPCServer.make({ host: "::1", port: first.port })
      yield* second.handle(Add, () => Effect.succeed(-1))
      const sums = [yield* sum(first.port), yield* sum(first.port, { host: "::1" })]
      assert.deepStrictEqual(sums, [3, -1])
    })
  )
})

describe("A server", () => {
  const withLog = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const logger = Logger.make(({ message }) => void log.push(String(message)))
      const result = yield* Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger))
      return [result, log.map((line) => line.replaceAll(tmpdir(), "TMP").replace(/\d{4,5}/, "PORT"))] as const
    })

  for (const [problem, spoil] of [
    ["isn't a directory", (path: string) => Fs.symlinkSync("/tmp", path)],
    ["isn't for this user alone (0700)", (path: string) => Fs.mkdirSync(path, { mode: 0o755 })]
  ] as const) {
    it.scopedLive(`does without the file where the directory ${problem}, and says so`, () =>
      Effect.gen(function* () {
        yield* temporary()
        const directory = join(tmpdir(), `effect-ipc-${user}`)
        spoil(directory)
        const [{ port }, log] = yield* withLog(serve())
        assert.strictEqual(yield* sum(port), 3)
        assert.deepStrictEqual(log, [
          `Clients on this machine connect by port PORT, not by a Unix socket: TMP/effect-ipc-${user} ${problem}.`
        ])
      })
    )
  }

  it.scopedLive("does without the file where the directory belongs to another user, and says so", () =>
    Effect.gen(function* () {
      yield* temporary()
      Fs.mkdirSync(join(tmpdir(), `effect-ipc-${user + 1}`), { mode: 0o700 })
      const getuid = vi.spyOn(process as { readonly getuid: () => number }, "getuid").mockReturnValue(user + 1)
      yield* Effect.addFinalizer(() => Effect.sync(() => getuid.mockRestore()))
      const [{ port }, log] = yield* withLog(serve())
      assert.strictEqual(yield* sum(port), 3)
      assert.deepStrictEqual(log, [
        `Clients on this machine connect by port PORT, not by a Unix socket: TMP/effect-ipc-${user + 1} belongs to another user.`
      ])
    })
  )

  live("does without the file where its path would be too long", () =>
    Effect.gen(function* () {
      const { directory } = yield* temporary("d".repeat(60))
      const { port } = yield* serve()
      assert.strictEqual(yield* sum(port), 3)
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
    })
  )

  live("puts the file only where it holds 127.0.0.1, and removes it with its scope", () =>
    Effect.gen(function* () {
      yield* temporary()
      const names = () => Fs.readdirSync(join(tmpdir(), `effect-ipc-${user}`))
      const ports = yield* Effect.scoped(
        Effect.gen(function* () {
          const { port } = yield* serve()
          const everywhere = yield* serve({ host: "0.0.0.0", token })
          yield* serve({ host: "::1" })
          yield* serve({ host: "127.0.0.2" })
          assert.deepStrictEqual(names().sort(), [port, everywhere.port].map((of) => `${namespace}-${of}`).sort())
          return [port, everywhere.port]
        })
      )
      assert.lengthOf(ports, 2)
      assert.deepStrictEqual(names(), [])
    })
  )

  live("leaves the file of the next holder of the port alone, however late it ends", () =>
    Effect.gen(function* () {
      yield* temporary()
      const scope = yield* Scope.make()
      const first = yield* Scope.extend(serve({ drainTimeout: "1 minute" }), scope)
      // A request in flight keeps the first one from ending.
      const arrived = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      const slow = Effect.zipRight(Deferred.succeed(arrived, undefined), Deferred.await(answer))
      yield* first.interceptHttp("GET", "/slow", () => Effect.as(slow, { status: 200 }))
      const asked = yield* Effect.fork(Effect.promise(() => fetch(`${first.url}/slow`)))
      yield* Deferred.await(arrived)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      const second = yield* Effect.retry(serve({ port: first.port }), { while: ({ _tag }) => _tag === "PortInUse" })
      const put = inode(fileOf(second.port))
      yield* Deferred.succeed(answer, undefined)
      assert.strictEqual((yield* asked).status, 200)
      yield* closing
      assert.strictEqual(inode(fileOf(second.port)), put)
      assert.strictEqual(yield* sum(yield* beside(second.port)), 3)
    })
  )

  live("replaces the file that a killed one left, which clients don't try twice", () =>
    Effect.gen(function* () {
      yield* temporary()
      const killed = yield* Child.start("leader.ts", {})
      const port = Number(yield* killed.line("port"))
      process.kill(killed.pid, "SIGKILL")
      yield* killed.exit
      const found = () => UnixSocket.find(new URL(`ws://127.0.0.1:${port}`))?.file
      assert.strictEqual(found(), fileOf(port))
      assert.instanceOf(yield* Effect.flip(sum(port)), ConnectFailed)
      assert.isUndefined(found(), "the file is tried again")
      yield* serve({ port })
      assert.strictEqual(found(), fileOf(port))
      assert.strictEqual(yield* sum(yield* beside(port)), 3)
    })
  )

  it.scoped("removes what killed ones left on other ports, and nothing else", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.now())
      yield* temporary()
      const directory = join(tmpdir(), `effect-ipc-${user}`)
      Fs.mkdirSync(directory, { mode: 0o700 })
      const old = new Date(Date.now() - 120_000)
      const listening = yield* serve()
      const nobody = Net.createServer()
      yield* Effect.async<void>((resume) => void nobody.listen(join(directory, "bound"), () => resume(Effect.void)))
      const left = (name: string, of = "bound") => Fs.linkSync(join(directory, of), join(directory, name))
      left("1-1001")
      left(`${namespace}-1002.0123abcd`)
      left("notes")
      // A file of a closed server, as a killed one's.
      yield* Effect.async<void>((resume) => void nobody.close(() => resume(Effect.void)))
      Fs.utimesSync(join(directory, "1-1001"), old, old)
      left("1-1003", `${namespace}-${listening.port}`)
      Fs.utimesSync(join(directory, "1-1003"), old, old)
      Fs.writeFileSync(join(directory, "1-1004"), "")
      Fs.utimesSync(join(directory, "1-1004"), old, old)
      const { port } = yield* serve()
      yield* TestClock.adjust("10 seconds")
      const kept = [`${namespace}-${listening.port}`, `${namespace}-${port}`, "1-1003", "1-1004", "notes"].sort()
      yield* TestServices.provideLive(
        until(
          Effect.sync(() => Fs.readdirSync(directory)),
          ({ length }) => length === kept.length
        )
      )
      assert.deepStrictEqual(Fs.readdirSync(directory).sort(), kept)
      assert.strictEqual(yield* sum(yield* beside(listening.port)), 3)
    })
  )

  live("leaves alone what may be of a server that is about to listen", () =>
    Effect.gen(function* () {
      yield* temporary()
      const directory = join(tmpdir(), `effect-ipc-${user}`)
      Fs.mkdirSync(directory, { mode: 0o700 })
      const bound = Net.createServer()
      yield* Effect.async<void>((resume) => void bound.listen(join(directory, "bound"), () => resume(Effect.void)))
      Fs.linkSync(join(directory, "bound"), join(directory, "1-1001"))
      yield* Effect.async<void>((resume) => void bound.close(() => resume(Effect.void)))
      yield* StaleSockets.remove(directory)
      assert.deepStrictEqual(Fs.readdirSync(directory), ["1-1001"])
    })
  )
})
