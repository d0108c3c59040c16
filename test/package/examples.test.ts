import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Plugin } from "esbuild"
import { inject } from "vitest"
import { bundle } from "../support/bundle.js"
import * as Cli from "../support/Cli.js"
import * as NatsServer from "../support/NatsServer.js"
import * as Otlp from "../support/otlp.js"
import * as Port from "../support/Port.js"
import { program } from "../support/program.js"

const printed: Record<string, ReadonlyArray<string>> = {
  "by-name.ts": ["user 7"],
  "call-a-client.ts": [
    "worker-1 is at 50 %",
    "worker-1 answers 144",
    'No client with runtimeId "worker-2" is connected (connected: worker-1). Wait until it connects, or check the name.'
  ],
  "config-and-token.ts": ["I am worker-1", "I am client-2", "Rejected with 401"],
  "discovery.ts": [
    "leader: orders answers /orders/7",
    "follower: orders answers /orders/7",
    "leader: users answers /users/7",
    'No service is registered as "orders". Registered: users. Is the service running, and is its name spelled so?'
  ],
  "errors.ts": [
    "ConnectFailed, Refused: Could not connect to http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1. Is the server running, and is the port right?",
    "RequestTimeout: slow"
  ],
  "handlers.ts": ["double: 42", "double/later: 42", "double/in-steps: 42"],
  "http-gateway.ts": [
    'GET /hello/Ada → 200 {"hello":"Ada"}',
    "DELETE /sessions/1 → 204 ",
    "GET /users/7?full=true → 200 users answers GET /users/7?full=true",
    'GET /nowhere → 404 {"error":"No route for GET /nowhere. No route matches, and the proxy resolver knows no upstream for it: is the service registered?"}'
  ],
  "http-proxy.ts": ["200 users got /users/7", "user=7; Domain=shop.example; Path=/", "a service"],
  "inspector.ts": ["The inspector is ready", "It has seen /hello"],
  "isolated-declarations.ts": ["greet on a free port"],
  "leader-election.ts": [
    "second is follower",
    "first is leader",
    "first sweeps",
    "first sweeps",
    "second sweeps",
    "second sweeps"
  ],
  "nats.ts": ["users are at http://10.0.0.7:4001", "swept by a term's leader"],
  "over-tcp.ts": ["Hello, Ada!"],
  "promise-discovery.ts": [
    "orders: leader",
    "caller: follower: orders answers /orders/7",
    'No service is registered as "orders". None is registered at all: are they running, and do they take part at this port?'
  ],
  "promise-failure.ts": ["OutOfStock: 4 left"],
  "promise-tracing.ts": ["the trace at the last server: 0af7651916cd43dd8448eb211c80319c"],
  "promise.ts": ["Hello, Ada! You are worker-1.", "144", "1", "{ hello: 'Ada' }", "ClientNotConnected"],
  "rpc.ts": ["user 1", "Ada", "Grace"],
  "static-discovery.ts": ["users: http://127.0.0.1:4001", "files: http://127.0.0.1:4003"],
  "stream.ts": [
    "1970-01-01T00:00:01.000Z line 1",
    "1970-01-01T00:00:02.000Z line 2",
    "there is no log web",
    "1",
    "1.5",
    "3",
    "the file has come whole"
  ],
  "typed-failure.ts": ["Ada, since 2024", "no user has id 2"],
  "typed-request.ts": ["Hello, Ada!"],
  "wait-for-service.ts": ["ServiceNotRegistered", "users is found"]
}

const listens = (port: string) => `The server listens on http://127.0.0.1:${port}`

const folder = new URL("../../examples/", import.meta.url)

const run = promisify(execFile)

describe("every example runs to its end and prints what the reader expects", { timeout: 90_000 }, () => {
  for (const [name, lines] of Object.entries(printed)) {
    it(name, async () => {
      // Rejects on any exit code but 0.
      const { stderr, stdout } = await run(process.execPath, [program(`examples/${name}`)], {
        timeout: 60_000,
        // By themselves they meet at port 9000, where others may be.
        env: { ...process.env, IPC_PORT: String(await Port.free()) }
      })
      assert.deepStrictEqual(stdout.trimEnd().split("\n"), lines.join("\n").trimEnd().split("\n"))
      assert.strictEqual(stderr, "")
    })
  }

  it("testing/node-test.ts, as Node's own runner runs it", async () => {
    // Rejects where a test fails.
    const { stdout } = await run(
      process.execPath,
      ["--import", "tsx", "--test", "--test-reporter=tap", fileURLToPath(new URL("testing/node-test.ts", folder))],
      { timeout: 60_000 }
    )
    assert.match(stdout, /^# tests 2\n(?:# .*\n)*# pass 2\n/m)
  })

  it.scopedLive("two-programs/: a server and a client, started and stopped in any order", () =>
    Effect.gen(function* () {
      const IPC_PORT = String(yield* Effect.promise(Port.free))
      const start = (name: string) =>
        Cli.startProgram(process.execPath, [program(`examples/two-programs/${name}`)], { IPC_PORT })
      const client = yield* start("client.ts")
      yield* client.stdout.line(`Could not connect to http://127.0.0.1:${IPC_PORT}: connect ECONNREFUSED`)
      const first = yield* start("server.ts")
      yield* client.stdout.line("Hello, Ada!")
      yield* first.signal("SIGINT")
      assert.deepStrictEqual([yield* first.exit, first.stdout.lines, first.stderr.lines], [0, [listens(IPC_PORT)], []])
      yield* client.stdout.line("reconnecting")
      const second = yield* start("server.ts")
      yield* client.stdout.line("Hello, Ada!", "reconnecting")
      yield* client.signal("SIGINT")
      assert.deepStrictEqual([yield* client.exit, client.stderr.lines], [0, []])
      yield* second.signal("SIGINT")
      assert.strictEqual(yield* second.exit, 0)
    })
  )

  /** Three programs that find each other, each ended by Ctrl-C. */
  const services = Effect.fnUntraced(function* (folder: string, env: Readonly<Record<string, string>>) {
    const start = (name: string) =>
      Cli.startProgram(process.execPath, [join(folder, `examples/services/${name}.js`)], env)
    const worker = yield* start("worker")
    const users = yield* start("users")
    const orders = yield* start("orders")
    yield* orders.stdout.line("by request: Ada; unknown user 2; 2 logins")
    yield* orders.stdout.line("by HTTP: Ada")
    for (const stopped of [users, orders, worker]) {
      yield* stopped.signal("SIGINT")
      assert.deepStrictEqual([yield* stopped.exit, stopped.stderr.lines], [0, []])
    }
  })

  it.scopedLive("services/: three programs on one machine", () =>
    Effect.flatMap(Effect.promise(Port.free), (port) => services(inject("programs"), { IPC_PORT: String(port) }))
  )

  it.scopedLive(
    "services/: the same programs on NATS, with one Layer changed",
    () =>
      Effect.gen(function* () {
        const onNats: Plugin = {
          name: "nats",
          setup: ({ onResolve }) =>
            onResolve({ filter: /^\.\/discovery\.js$/ }, ({ importer }) =>
              importer.includes("/services/") ? { path: Cli.inRepository("examples/services/discovery-nats.ts") } : null
            )
        }
        const programs = yield* Effect.acquireRelease(
          Effect.sync(() =>
            bundle(
              ["worker", "users", "orders"].map((name) => `examples/services/${name}.ts`),
              [onNats]
            )
          ),
          ({ remove }) => Effect.sync(remove)
        )
        yield* Effect.promise(programs.build)
        const { url } = yield* NatsServer.start()
        // As docs/nats.md has it: `IPC_ADVERTISE=$(hostname)`.
        yield* services(programs.folder, { NATS_URL: url, IPC_ADVERTISE: hostname() })
      }),
    60_000
  )

  it.scopedLive("observing/: one trace over a gateway, two services and a worker, at an OTLP receiver", () =>
    Effect.gen(function* () {
      const IPC_PORT = String(yield* Effect.promise(Port.free))
      const receiver = yield* Otlp.receive
      const start = (name: string) =>
        Cli.startProgram(process.execPath, [program(`examples/observing/${name}`)], {
          IPC_PORT,
          OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url
        })
      const gateway = yield* start("gateway.ts")
      const others = yield* Effect.forEach(["worker.ts", "users.ts", "orders.ts"], start)
      yield* gateway.stdout.line("ready")
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
      const answer = yield* Effect.promise(() => fetch(`http://127.0.0.1:${IPC_PORT}/orders/1`, { headers })).pipe(
        Effect.flatMap((response) =>
          Effect.map(
            Effect.promise(() => response.text()),
            (text) => [response.status, text]
          )
        ),
        Effect.filterOrFail(([status]) => status === 200),
        Effect.retry(Schedule.spaced("50 millis"))
      )
      assert.deepStrictEqual(answer, [200, "an order of <h1>user-7</h1>"])
      // What isn't exported yet is so at the end.
      for (const stopped of [...others, gateway]) {
        yield* stopped.signal("SIGINT")
        assert.deepStrictEqual([yield* stopped.exit, stopped.stderr.lines], [0, []])
      }
      const tree = Otlp.treeOf(receiver.spans.filter((span) => span.traceId === traceId))
      // Before that, the gateway answers that it has no such route yet.
      assert.deepStrictEqual(tree.slice(tree.indexOf("gateway: GET /orders/*")), [
        "gateway: GET /orders/*",
        "  gateway: GET /orders/*",
        "    orders: http.server GET",
        "      orders: users/get",
        "        users: users/get",
        "          users: find user",
        "            users: discovery/discoverApi",
        "              gateway: discovery/discoverApi",
        "            users: http.client GET",
        "              gateway: GET /pages/:title",
        "                gateway: render",
        "                  worker: render",
        "                    worker: layout"
      ])
      assert.includeMembers([...receiver.paths], ["/v1/traces", "/v1/metrics"])
    })
  )

  it("and each is looked at here", () => {
    const present = readdirSync(folder).filter((name) => name.endsWith(".ts") && name !== "demo.ts")
    assert.deepStrictEqual(present.sort(), Object.keys(printed).sort())
  })
})
