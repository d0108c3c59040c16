import { closeSync, openSync } from "node:fs"
import { createServer } from "node:http"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type WebSocket, WebSocketServer } from "ws"
import * as Cli from "../../support/Cli.js"
import { listening } from "../../support/listening.js"

const millis = 40_000

/** What a peer may say to move the cursor, to forge a line, and to reorder what is read. */
const hostile = "no\r\n\u001b[2Jeffect-ipc: all is well\u009b5m\u202e"

/** A leader that answers each request as it is told; its port. */
const leader = (answer: (socket: WebSocket) => unknown) =>
  Effect.gen(function* () {
    const server = createServer()
    const sockets = new WebSocketServer({ server, path: "/__ipc" })
    sockets.on("connection", (socket) => {
      socket.on("message", (data) => {
        const [, id, path = ""] = data.toString().split(":", 3)
        socket.send(`s:${id}:${path}:${JSON.stringify(answer(socket))}`)
      })
    })
    return new URL(yield* listening(server)).port
  })

layer(Cli.Gateway.layer, { timeout: millis, excludeTestServices: true })("what the command prints", (it) => {
  describe("of a peer's text", () => {
    it.scoped(
      "is one line of an error without anything that a terminal obeys",
      () =>
        Effect.gen(function* () {
          const port = yield* Cli.http((_, response) => {
            response.writeHead(403, { "content-type": "application/json" })
            response.end(JSON.stringify({ error: hostile }))
          })
          const held = `effect-ipc: Port ${port} on 127.0.0.1 is held by something that isn't effect-ipc:`
          const stderr = `${held} the server answered 403 Forbidden: no ?[2Jeffect-ipc: all is well?5m?. Stop it, or choose another port with --port (or IPC_PORT).`
          for (const args of [
            ["routes"],
            ["register", "--api", "a", "--prefix", "/a", "--url", "http://127.0.0.1:1"]
          ]) {
            assert.deepStrictEqual(yield* Cli.run([...args, "--port", port]), { exit: 1, stdout: "", stderr })
          }
        }),
      millis
    )
  })

  describe("of what a leader answers", () => {
    const route = { api: "a", pathPrefix: "/a", baseUrl: "http://127.0.0.1:1", owner: hostile, strategy: hostile }
    const routes = [{ ...route, registeredAt: 0, connections: 0 }]
    const printed = "no???[2Jeffect-ipc: all is well?5m?"

    it.scoped(
      "is printable, and as JSON what it was",
      () =>
        Effect.gen(function* () {
          const port = yield* leader(() => ({ success: true, data: { version: 0, routes } }))
          const [text, json] = yield* Effect.all([
            Cli.run(["routes", "--port", port]),
            Cli.run(["routes", "--json", "--port", port])
          ])
          assert.deepStrictEqual([text.exit, text.stderr], [0, ""])
          const rows = text.stdout.split("\n").map((line) => line.split(/ {2,}/))
          assert.deepStrictEqual(rows[1]?.slice(0, 5), ["a", "/a", "http://127.0.0.1:1", printed, printed])
          assert.match(json.stdout, /^[\x20-\x7e]*$/)
          assert.deepStrictEqual(
            [json.exit, JSON.parse(json.stdout)],
            [0, routes.map((each) => ({ kind: "http", ...each }))]
          )
        }),
      millis
    )

    it.scoped(
      "is one line where it is a failure, or why it closes the connection",
      () =>
        Effect.gen(function* () {
          const failing = yield* leader(() => ({ success: false, error: hostile }))
          const { exit, stderr } = yield* Cli.run(["routes", "--port", failing])
          const at = `http://127.0.0.1:${failing}`
          const message = `The gateway at ${at} can't be used: Request "discovery/routePage" failed at ${at}:`
          assert.deepStrictEqual([exit, stderr], [1, `effect-ipc: ${message} no ?[2Jeffect-ipc: all is well?5m?`])

          const closing = yield* leader((socket) => {
            setImmediate(() => socket.close(4000, hostile))
            return { success: true, data: { version: 0, routes: [] } }
          })
          const watch = yield* Cli.start(["routes", "--watch", "--port", closing])
          assert.strictEqual(
            yield* watch.stderr.line("reconnecting"),
            `effect-ipc: warn: The connection to http://127.0.0.1:${closing} closed (code 4000: no ?[2Jeffect-ipc: all is well?5m?); reconnecting`
          )
        }),
      millis
    )
  })

  describe("to a stdout that takes nothing", () => {
    const toFull = (args: ReadonlyArray<string>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => openSync("/dev/full", "w")),
        (file) => Cli.run(args, {}, file),
        (file) => Effect.sync(() => closeSync(file))
      )

    it.scoped(
      "is missed in a line on stderr and by the exit code, whatever the command",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Cli.Gateway
          const commands = [
            ["routes", "--json", "--port", port],
            ["routes", "--watch", "--port", port],
            ["register", "--api", "full", "--prefix", "/full", "--url", "http://127.0.0.1:1", "--port", port],
            ["serve", "--port", "0"],
            ["--help"]
          ]
          const ended = yield* Effect.forEach(commands, toFull, { concurrency: 2 })
          for (const [index, { exit, stderr }] of ended.entries()) {
            assert.strictEqual(exit, 1, commands[index]?.join(" "))
            assert.include(stderr, "effect-ipc: Could not write to stdout: ENOSPC: no space left on device, write.")
          }
        }),
      millis
    )

    it.scoped(
      "is not missed where its reader has closed the pipe",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Cli.Gateway
          for (const args of [["routes", "--watch", "--port", port], ["--help"]]) {
            const command = yield* Cli.start(args)
            yield* command.closeStdout
            if (args.includes("--watch")) {
              yield* Effect.scoped(
                Effect.gen(function* () {
                  const service = ["--api", "closing", "--prefix", "/closing", "--url", "http://127.0.0.1:1"]
                  const register = yield* Cli.start(["register", ...service, "--port", port])
                  yield* register.stdout.line("closing at")
                })
              )
            }
            assert.deepStrictEqual([yield* command.exit, command.stderr.lines], [0, []])
          }
        }),
      millis
    )
  })

  it.scoped(
    "tells in one line that the gateway is gone, and in one that it is back",
    () =>
      Effect.gen(function* () {
        const first = yield* Cli.startGateway()
        const { port } = first
        const at = (api: string) => ["--api", api, "--prefix", `/${api}`, "--port", port]
        const [register, run, routes] = yield* Effect.all([
          Cli.start(["register", ...at("registered"), "--url", "http://127.0.0.1:1"]),
          Cli.start(["run", ...at("run"), "--", process.execPath, Cli.service]),
          Cli.start(["routes", "--watch", "--json", "--port", port])
        ])
        yield* register.stdout.line("registered at")
        yield* run.stderr.line("run at")
        // It is connected once it lists a route.
        yield* routes.stdout.line('"registered"')
        yield* first.process.signal("SIGTERM")
        yield* first.process.exit
        const refused = `connect ECONNREFUSED 127.0.0.1:${port}. Is the server running, and is the port right?`
        const gone = `effect-ipc: warn: The standalone gateway can't be reached; retrying until it is back: Could not connect to ${first.url}: ${refused}`
        yield* Effect.forEach([register, run], ({ stderr }) => stderr.line(gone))
        yield* routes.stderr.line("reconnecting")

        const second = yield* Cli.start(["serve", "--port", port])
        yield* second.stdout.line("The gateway listens on ")
        const following = `effect-ipc: following the leader at port ${port}`
        yield* Effect.forEach([register, run], ({ stderr }) => stderr.line(following, gone))
        yield* routes.stderr.line("connected to")
        const served = run.stderr.lines.filter((line) => line.includes("is served at"))
        assert.deepStrictEqual(register.stderr.lines, [following, gone, following])
        assert.deepStrictEqual(run.stderr.lines, [following, ...served, gone, following])
        assert.deepStrictEqual(routes.stderr.lines, [
          `effect-ipc: warn: The connection to ${first.url} closed (code 1001: the server closes); reconnecting`,
          `effect-ipc: connected to ${first.url} again`
        ])
      }),
    millis
  )
})
