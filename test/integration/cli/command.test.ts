import type { ServerResponse } from "node:http"
import { assert, describe, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import packageJson from "../../../package.json" with { type: "json" }
import type { Route } from "../../../src/DiscoveryEntry.js"
import * as Cli from "../../support/Cli.js"
import { program } from "../../support/program.js"

const millis = 40_000

/** What a route says of whom it leads where. */
const brief = ({ api, baseUrl, owner, pathPrefix }: Route) => [api, pathPrefix, baseUrl, owner.replace(/-.*/, "")]

const briefs = (line: string) => (JSON.parse(line) as ReadonlyArray<Route>).map(brief)

layer(Cli.Gateway.layer, { timeout: millis, excludeTestServices: true })("the effect-ipc command", (it) => {
  describe("serve, register and routes", () => {
    it.scoped(
      "a registered service is reached through the gateway, listed, and gone once register is stopped",
      () =>
        Effect.gen(function* () {
          const { port, process: gateway, url } = yield* Cli.Gateway
          const users = yield* Cli.http((request, response) => response.end(`users answer ${request.url}`))
          const at = `http://127.0.0.1:${users}`
          const watching = yield* Cli.start(["routes", "--watch", "--json", "--port", port])
          const seen = yield* Cli.start(["routes", "--watch", "--port", port])
          yield* watching.stdout.line("[]")
          yield* seen.stdout.line(`No service is registered at ${url}.`)

          const register = yield* Cli.start(["register", "--api", "users", "--prefix", "/users/", "--url", `${at}/`], {
            IPC_PORT: port
          })
          assert.strictEqual(yield* register.stdout.line("users at"), `users at ${at} is served at ${url}/users`)
          assert.deepStrictEqual(yield* Cli.get(`${url}/users/7?x=1`), {
            status: 200,
            body: "users answer /users/7?x=1"
          })
          assert.deepStrictEqual(briefs(yield* watching.stdout.line("users")), [["users", "/users", at, "users"]])
          assert.match(yield* seen.stdout.line("+"), /^\d\d:\d\d:\d\d {2}\+ {2}users {2}\/users {2}http:\S+ {2}users-/)

          const table = yield* Cli.run(["routes", "--port", port])
          assert.match(
            table.stdout,
            /^API {4}PREFIX {2}INSTANCE +OWNER +STRATEGY +AGE\nusers {2}\/users {2}http:\S+ +users-\S+ +roundRobin {2}\d+s$/
          )

          yield* register.signal("SIGTERM")
          assert.strictEqual(yield* register.exit, 0)
          yield* seen.stdout.line(`-  users  /users  ${at}`)
          yield* watching.stdout.line("[]", "users")
          assert.deepStrictEqual(
            watching.stdout.lines.map((line) => briefs(line).length),
            [0, 1, 0]
          )

          yield* watching.signal("SIGINT")
          assert.strictEqual(yield* watching.exit, 0)
          assert.deepStrictEqual(
            [...register.stderr.lines, ...gateway.stderr.lines, ...table.stderr],
            [`effect-ipc: following the leader at port ${port}`]
          )
        }),
      millis
    )

    it.scoped(
      "register leads where there is no leader, and follows a gateway that comes later",
      () =>
        Effect.gen(function* () {
          const port = yield* Cli.freePort
          const users = yield* Cli.http((_, response) => response.end("users"))
          const register = yield* Cli.start([
            ...["register", "--api", "users", "--prefix", "/", "--port", port],
            ...["--url", `http://127.0.0.1:${users}`]
          ])
          yield* register.stderr.line(`effect-ipc: leading at port ${port}`)
          yield* register.stdout.line("users at")
          assert.strictEqual((yield* Cli.get(`http://127.0.0.1:${port}/any`)).body, "users")
          yield* register.signal("SIGINT")
          assert.strictEqual(yield* register.exit, 0)
        }),
      millis
    )

    it.scoped(
      "a gateway with a token lets in who has it",
      () =>
        Effect.gen(function* () {
          const { port, url } = yield* Cli.startGateway({ IPC_TOKEN: "a secret of the tests" })
          const [stranger, wrong, friend] = yield* Effect.all(
            [
              Cli.run(["routes", "--port", port]),
              Cli.run(["routes", "--port", port, "--token", "another secret of theirs"]),
              Cli.run(["routes", "--json", "--port", port, "--token", "a secret of the tests"])
            ],
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(stranger, {
            exit: 1,
            stdout: "",
            stderr: `effect-ipc: The gateway at ${url} asks for its token: set IPC_TOKEN, or pass --token.`
          })
          assert.deepStrictEqual(wrong, {
            exit: 1,
            stdout: "",
            stderr: `effect-ipc: The gateway at ${url} can't be used with this token: the server answered 401 Unauthorized: The token is not this server's. Check IPC_TOKEN (or --token).`
          })
          assert.deepStrictEqual(friend, { exit: 0, stdout: "[]", stderr: "" })
        }),
      millis
    )
  })

  it.scoped(
    "serve lets the requests in flight end when it is stopped, and frees its port at once",
    () =>
      Effect.gen(function* () {
        const { port, process: gateway, url } = yield* Cli.startGateway()
        const arrived = yield* Deferred.make<ServerResponse>()
        const slow = yield* Cli.http((_, response) => Deferred.unsafeDone(arrived, Effect.succeed(response)))
        const service = ["--api", "slow", "--prefix", "/slow", "--url", `http://127.0.0.1:${slow}`]
        const register = yield* Cli.start(["register", ...service, "--port", port])
        yield* register.stdout.line("slow at")
        const asking = yield* Effect.fork(Cli.get(`${url}/slow/1`))
        const response = yield* Deferred.await(arrived)
        yield* gateway.signal("SIGTERM")
        const next = yield* Cli.start(["serve", "--port", port])
        yield* next.stdout.line("The gateway listens on ")
        response.end("after all")
        assert.deepStrictEqual(yield* Fiber.join(asking), { status: 200, body: "after all" })
        assert.strictEqual(yield* gateway.exit, 0)
      }),
    millis
  )

  describe("run", () => {
    it.scoped(
      "gives the child its port and words, registers it, passes signals on, and ends with its exit code",
      () =>
        Effect.gen(function* () {
          const { port, url } = yield* Cli.Gateway
          const watching = yield* Cli.start(["routes", "--watch", "--json", "--port", port])
          const words = ["--help", "--port", "1", "--", "-x", "--log-level=debug", "routes", "", "a b"]
          const orders = yield* Cli.start([
            ...["run", "--api", "orders", "--prefix", "/orders", "--port", port],
            ...["--", process.execPath, Cli.service, ...words]
          ])
          assert.strictEqual(
            yield* orders.stdout.line("service started"),
            `service started with ${JSON.stringify(words)}`
          )
          yield* orders.stderr.line("effect-ipc: orders at http://127.0.0.1:")
          assert.deepStrictEqual(yield* Cli.get(`${url}/orders/7`), {
            status: 200,
            body: `GET /orders/7 ${JSON.stringify(words)}`
          })
          yield* watching.stdout.line("orders")

          yield* orders.signal("SIGHUP")
          yield* orders.stdout.line("service got SIGHUP")
          yield* orders.signal("SIGTERM")
          assert.strictEqual(yield* orders.exit, 7)
          yield* orders.stdout.line("service got SIGTERM")
          assert.strictEqual((yield* Cli.get(`${url}/orders/7`)).status, 404)
          yield* watching.stdout.line("[]", "orders")
          assert.deepStrictEqual(watching.stdout.lines.map((line) => briefs(line).length).slice(-2), [1, 0])
        }),
      millis
    )

    it.scoped(
      "ends as the child does: by itself, before it listens, by a signal, or not at all started",
      () =>
        Effect.gen(function* () {
          const { port, url } = yield* Cli.Gateway
          const start = (api: string, ...command: ReadonlyArray<string>) =>
            Cli.start(["run", "--api", api, "--prefix", `/${api}`, "--port", port, "--", ...command])
          const node = process.execPath
          const children = yield* Effect.all([
            start("leaves", node, Cli.service),
            start("fails", node, "-e", "process.exit(3)"),
            start("killed", node, "-e", "process.kill(process.pid, 'SIGKILL')"),
            start("missing", "no-such-command", "--help"),
            start("locked", Cli.inRepository("package.json"))
          ])
          const [leaves, , , missing, locked] = children
          yield* leaves.stderr.line("leaves at")
          yield* Cli.get(`${url}/leaves/exit`)
          assert.deepStrictEqual(yield* Effect.all(children.map((child) => child.exit)), [5, 3, 137, 127, 126])
          assert.strictEqual(missing.stderr.lines.at(-1), "effect-ipc: There is no command no-such-command.")
          assert.match(locked.stderr.lines.at(-1) ?? "", /^effect-ipc: Could not start \S+package\.json: .*EACCES/)
          assert.strictEqual((yield* Cli.get(`${url}/leaves`)).status, 404)
        }),
      millis
    )
  })

  describe("what goes wrong is one line on stderr and an exit code", () => {
    it.scoped(
      "at the port",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Cli.Gateway
          const web = yield* Cli.http((_, response) => response.writeHead(404).end())
          const closing = yield* Cli.closing
          const elsewhere = "Stop it, or choose another port with --port (or IPC_PORT)."
          const stranger = `Port ${web} on 127.0.0.1 is held by something that isn't effect-ipc: the server answered 404 Not Found. ${elsewhere}`
          yield* complains([
            [
              ["serve", "--host", "0.0.0.0", "--port", "0"],
              "Listening on 0.0.0.0 lets other machines connect. Set IPC_TOKEN (or pass --token), which clients then present, or pass --allow-without-token if none is wanted."
            ],
            [
              ["routes", "--port", "1"],
              'Nothing listens at http://127.0.0.1:1. Start a gateway with "effect-ipc serve --port 1", or a service that takes part there.'
            ],
            [
              ["serve", "--port", port],
              `Port ${port} on 127.0.0.1 is held by another gateway (effect-ipc serve). ${elsewhere}`
            ],
            [["serve", "--port", web], stranger],
            [["routes", "--port", web], stranger],
            [
              ["routes", "--port", closing],
              `Port ${closing} on 127.0.0.1 is held by something that isn't effect-ipc: it closes the connection. ${elsewhere}`
            ],
            [["register", "--api", "a", "--prefix", "/a", "--url", "http://127.0.0.1:1", "--port", web], stranger],
            [["run", "--api", "a", "--prefix", "/a", "--port", web, "--", "echo", "not started"], stranger]
          ])
        }),
      millis
    )

    it.scoped(
      "in the arguments",
      () =>
        complains(
          [
            [
              ["serv"],
              "Invalid subcommand for effect-ipc - use one of 'serve', 'register', 'run', 'routes', 'inspect', 'traffic', 'request', 'stream'. Try \"effect-ipc --help\"."
            ],
            [["serve", "more"], "Received unknown argument: 'more'. Try \"effect-ipc serve --help\"."],
            [
              ["routes", "--port", "0"],
              '--port (or IPC_PORT) must be a whole number from 1 to 65535, not "0". Try "effect-ipc routes --help".'
            ],
            [
              ["register", "--api", "a", "--prefix", "a", "--url", "a"],
              '--prefix must start with "/", not "a"; --url must be a URL like "http://host:4001", not "a". Try "effect-ipc register --help".'
            ],
            [["routes", "--json", "--port"], '--port needs a value. Try "effect-ipc routes --help".'],
            [["routes", "--json", "--json"], '--json was given twice. Try "effect-ipc routes --help".'],
            [["register", "--api"], '--api needs a value. Try "effect-ipc register --help".'],
            [["run", "--api", "a"], '--prefix is missing. Try "effect-ipc run --help".'],
            [
              ["serve", "--strategy", "best", "--token-scheme", "x"],
              '--token-scheme (or IPC_TOKEN_SCHEME) must be one of proof, bearer, not "x"; --strategy must be one of first, last, random, roundRobin, leastConnections, not "best". Try "effect-ipc serve --help".'
            ],
            [
              ["routes", "--host", "http://127.0.0.1:9000"],
              '--host (or IPC_HOST) must be a host name or an IP address, without scheme and port, not "http://127.0.0.1:9000". Try "effect-ipc routes --help".'
            ],
            [
              ["routes", "--log-level", "loud"],
              '--log-level must be one of all, trace, debug, info, warning, error, fatal, none, not "loud". Try "effect-ipc routes --help".'
            ],
            [
              ["run", "--api", "a", "--prefix", "/a", "--"],
              "run needs a command: effect-ipc run --api a --prefix /a -- node server.js"
            ]
          ],
          2
        ),
      millis
    )
  })

  it.scoped(
    "--help, --version and completions",
    () =>
      Effect.gen(function* () {
        const [version, help, completions] = yield* Effect.all(
          [Cli.run(["--version"]), Cli.run(["run", "--help"]), Cli.run(["--completions", "bash"])],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(version, { exit: 0, stdout: packageJson.version, stderr: "" })
        assert.strictEqual(help.exit, 0)
        for (const part of ["USAGE", "--api", "--prefix", "IPC_PORT", "EXAMPLES"]) assert.include(help.stdout, part)
        assert.notInclude(help.stdout, "\u001b")
        assert.include(completions.stdout, "_effect-ipc_bash_completions")
      }),
    millis
  )

  it.scoped(
    "npm start is the gateway, from the source",
    () =>
      Effect.gen(function* () {
        const start = yield* Cli.startProgram("sh", ["-c", `exec ${packageJson.scripts.start} --port 0`])
        yield* start.stdout.line("The gateway listens on http://127.0.0.1:")
        yield* start.signal("SIGTERM")
        assert.strictEqual(yield* start.exit, 0)
      }),
    millis
  )
})

/** The first case is run as the command, the others by one process: most of what a command line takes is to be loaded. */
const complains = (
  [[first, firstLine], ...others]: readonly [Case, ...ReadonlyArray<Case>],
  exit = 1
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const commandLines = JSON.stringify(others.map(([args]) => args))
    const [ended, all] = yield* Effect.all(
      [
        Cli.run(first),
        Cli.runProgram(process.execPath, [program("test/support/processes/command-lines.ts"), commandLines])
      ],
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(ended, { exit, stdout: "", stderr: `effect-ipc: ${firstLine}` }, first.join(" "))
    assert.deepStrictEqual(
      all.stderr.split("\n"),
      others.map(([, line]) => `effect-ipc: ${line}`)
    )
    assert.deepStrictEqual([all.exit, all.stdout], [0, JSON.stringify(others.map(() => exit))])
  })

type Case = readonly [args: ReadonlyArray<string>, line: string]
