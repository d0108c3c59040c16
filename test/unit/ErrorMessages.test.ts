/** What each error says, in every form that it has. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Errors from "effect-ipc"

type Samples = { readonly [Name in ErrorName]: ReadonlyArray<Error> }

/** The names of the errors that the entry exports. */
type ErrorName = {
  [Name in keyof typeof Errors]: (typeof Errors)[Name] extends new (
    ...args: never
  ) => Error & { readonly _tag: infer Tag }
    ? Name extends Tag
      ? Name
      : never
    : never
}[keyof typeof Errors]

const at = { request: "users/find", target: "http://127.0.0.1:9000" }

const connect = (reason: Errors.ConnectFailed["reason"], status?: number) =>
  new Errors.ConnectFailed({ url: "http://127.0.0.1:9000", reason, status, detail: "its cause" })

const nats = (reason: Errors.NatsFailed["reason"]) =>
  new Errors.NatsFailed({ reason, servers: "nats://127.0.0.1:4222", detail: "its cause" })

const limit = (bound: Errors.RegistryLimitExceeded["bound"]) => new Errors.RegistryLimitExceeded({ bound, limit: 10 })

const died = (how: Partial<ConstructorParameters<typeof Errors.WorkerDied>[0]>) =>
  new Errors.WorkerDied({
    runtimeId: "orders",
    module: how.kind === "command" ? "python3 app.py" : "/tests/orders.js",
    when: "before it was ready",
    stopped: false,
    stderr: "",
    stdout: "",
    ...how
  })

const startFailed = (reason: Errors.WorkerStartFailed["reason"], kind: "module" | "command" = "module") =>
  new Errors.WorkerStartFailed({
    runtimeId: "orders",
    module: kind === "command" ? "python3 app.py" : "/tests/orders.js",
    kind,
    reason,
    detail: reason === "NotSpawned" ? "ENOENT" : reason === "NotRegistered" ? "Its cause." : "after 20s",
    stderr: "",
    stdout: reason === "NotSaid" ? "starting\n" : ""
  })

const samples: Samples = {
  PortInUse: [new Errors.PortInUse({ host: "127.0.0.1", port: 9000 })],
  ListenFailed: [new Errors.ListenFailed({ host: "127.0.0.1", port: 80, code: "EACCES", reason: "its cause" })],
  TokenRequired: [new Errors.TokenRequired({ host: "0.0.0.0" })],
  InvalidToken: [new Errors.InvalidToken({ issue: "its cause" })],
  UnsupportedRuntime: [new Errors.UnsupportedRuntime({ runtime: "Bun 1.2" })],
  ConnectFailed: [
    ...(["Refused", "TimedOut", "Unreachable"] as const).map((reason) => connect(reason)),
    ...[400, 401, 403, 404, 500, 503].map((status) => connect("Rejected", status))
  ],
  NatsFailed: Errors.NatsFailed.fields.reason.literals.map(nats),
  InvalidRequestName: [new Errors.InvalidRequestName({ request: "users:find" })],
  ClientNotConnected: [[], ["one", "two"]].map(
    (connected) => new Errors.ClientNotConnected({ runtimeId: "worker", connected })
  ),
  RequestTimeout: [new Errors.RequestTimeout({ ...at, millis: 10_000 })],
  ConnectionClosed: ["", "closing"].map((reason) => new Errors.ConnectionClosed({ ...at, code: 1001, reason })),
  NoHandler: [new Errors.NoHandler(at)],
  InvalidPayload: (["caller", "peer"] as const).map(
    (foundBy) => new Errors.InvalidPayload({ ...at, foundBy, issue: "its cause" })
  ),
  InvalidResponse: [new Errors.InvalidResponse({ ...at, issue: "its cause" })],
  RequestFailed: [new Errors.RequestFailed({ ...at, error: "its cause" })],
  FrameTooLarge: [new Errors.FrameTooLarge({ ...at, size: 20, limit: 10 })],
  StreamsUnsupported: [new Errors.StreamsUnsupported(at)],
  RouteConflict: [new Errors.RouteConflict({ method: "GET", path: "/users" })],
  InvalidRoute: [new Errors.InvalidRoute({ method: "GET", path: "users", issue: "its cause" })],
  ServiceNotRegistered: [new Errors.ServiceNotRegistered({ api: "users", hint: "Register it first." })],
  RegistryLimitExceeded: (["maxEntriesPerParticipant", "maxEntries", "maxEntryBytes"] as const).map(limit),
  EntryUnsupported: [new Errors.EntryUnsupported({ api: "users", feature: "endpoints" })],
  InvalidEntry: [new Errors.InvalidEntry({ entry: "{}", issue: "its cause" })],
  UnverifiedInterception: [
    new Errors.UnverifiedInterception({
      failed: [{ name: "mock GET /a", method: "GET", path: "/a", failure: "the handler failed: one\ntwo" }],
      uncalled: [
        { name: "mock GET /a", calls: 0 },
        { name: "mock GET /b", calls: 0, expected: 1 },
        { name: "mock GET /c", calls: 1, expected: 2 }
      ],
      unmatched: [
        { method: "GET", path: "/d" },
        {
          method: "GET",
          path: "/e",
          nearest: "mock GET /e, but body.a is 1, not 2, and 1 more part differs",
          differences: [
            { part: "body.a", expected: "2", received: "1" },
            { part: "body.b", expected: "3" }
          ]
        }
      ],
      strays: [
        { method: "GET", path: "/f", interceptor: "mock GET /f" },
        { method: "GET", path: "/g", interceptor: "mock GET /g", carried: "that of another trace, ab" }
      ]
    })
  ],
  InvalidInterceptor: [
    new Errors.InvalidInterceptor({ issue: "its cause" }),
    new Errors.InvalidInterceptor({ issue: "its cause", call: "replay" })
  ],
  HarFailed: (["read", "write"] as const).map(
    (action) => new Errors.HarFailed({ file: "/tests/a.har", action, detail: "its cause" })
  ),
  WorkerDied: [
    died({ stopped: true, signal: "SIGTERM" }),
    died({ code: 1, stderr: "ERR_UNKNOWN_FILE_EXTENSION" }),
    died({ code: 1, stderr: "Cannot find module '/tests/a.js' imported from /tests/orders.ts" }),
    died({ code: 1, stderr: "ERR_MODULE_NOT_FOUND" }),
    died({ signal: "SIGKILL", when: 'during request "config/set"' }),
    died({ signal: "SIGHUP" }),
    died({ code: 143 }),
    died({ code: 0 }),
    died({ code: 0, when: "while it was awaited" }),
    died({ code: 1, stdout: "the end\n" }),
    died({ code: 1, stderr: "Error: no database\n" }),
    died({ kind: "command", code: 1, stderr: "EADDRINUSE" }),
    died({ kind: "command", signal: "SIGKILL" }),
    died({ kind: "command", signal: "SIGHUP" }),
    died({ kind: "command", code: 0 }),
    died({ kind: "command", code: 1 }),
    died({ kind: "command", code: 1, stderr: "no database" })
  ],
  WorkerStartFailed: [
    ...(["NotSpawned", "NotConnected", "NotReady"] as const).map((reason) => startFailed(reason)),
    ...(["NotSpawned", "NotListening", "NotSaid", "NotRegistered"] as const).map((reason) =>
      startFailed(reason, "command")
    )
  ]
}

describe("the message of", () => {
  it("each error of the entry has a sample", () => {
    const errors = Object.entries(Errors).flatMap(([name, value]) =>
      typeof value === "function" && value.prototype instanceof Error ? [name] : []
    )
    assert.isAbove(errors.length, 25)
    assert.deepStrictEqual(Object.keys(samples).sort(), errors.sort())
  })

  it("a connection, a request and a registration that fail", () => {
    const { HarFailed, InvalidInterceptor, UnverifiedInterception, WorkerDied, WorkerStartFailed, ...others } = samples
    expect(textOf(others)).toMatchInlineSnapshot(`
      "PortInUse
      Port 9000 on 127.0.0.1 is in use. Stop what listens there, or pass { port: 0 } for any free port.

      ListenFailed
      Could not listen on 127.0.0.1:80: its cause (EACCES). Check that the host is an address of this machine and that the port may be bound.

      TokenRequired
      Listening on 0.0.0.0 lets other machines connect. Pass { token } (layerConfig reads IPC_TOKEN), which clients then present, or { allowWithoutToken: true } if none is wanted.

      InvalidToken
      The token can't be used: its cause. Pass a random one as { token } (layerConfig reads IPC_TOKEN), such as "openssl rand -hex 32" prints.

      UnsupportedRuntime
      effect-ipc doesn't run on Bun 1.2: parts of node:http and node:net that the gateway and the connections need are missing there, and would fail in mid-use. Use Node 20.18.1 or later, or Deno 2.

      ConnectFailed
      Could not connect to http://127.0.0.1:9000: its cause. Is the server running, and is the port right?
      Could not connect to http://127.0.0.1:9000: its cause. What holds the port doesn't answer: is it effect-ipc? Stop it, or choose another port.
      Could not connect to http://127.0.0.1:9000: its cause. Check the host.
      Could not connect to http://127.0.0.1:9000: its cause. Pass a { runtimeId } that the server takes.
      Could not connect to http://127.0.0.1:9000: its cause. Pass the server's token as { token } (layerConfig reads IPC_TOKEN).
      Could not connect to http://127.0.0.1:9000: its cause. Connect by a name the server knows, or add it to the server's { allowedHosts } or { allowedOrigins }.
      Could not connect to http://127.0.0.1:9000: its cause. What holds the port isn't effect-ipc, or serves another { path }. Stop it, or choose another port.
      Could not connect to http://127.0.0.1:9000: its cause. What holds the port isn't effect-ipc. Stop it, or choose another port.
      Could not connect to http://127.0.0.1:9000: its cause. The server is closing; try again.

      NatsFailed
      NATS at nats://127.0.0.1:4222 can't be used: its cause. Is a server running, and are { servers } right?
      NATS at nats://127.0.0.1:4222 can't be used: its cause. Pass the account's { credentials }, and give it the permissions that docs/nats.md lists.
      NATS at nats://127.0.0.1:4222 can't be used: its cause. Start the server with JetStream (nats-server -js), and enable it for the account.
      NATS at nats://127.0.0.1:4222 can't be used: its cause. Pass { replicas } that the cluster has nodes for: 1 where there is one server.
      NATS at nats://127.0.0.1:4222 can't be used: its cause. Change the option.
      NATS at nats://127.0.0.1:4222 can't be used: its cause. Or stop all participants and delete the bucket: the next one to start makes it.
      NATS at nats://127.0.0.1:4222 can't be used: its cause. Does the cluster have a majority of its nodes? Try again.

      InvalidRequestName
      "users:find" can't name a request: a name is not empty and has neither ":" nor control characters. Use "/" to group names, as in "users/get".

      ClientNotConnected
      No client with runtimeId "worker" is connected (no client is connected). Wait until it connects, or check the name.
      No client with runtimeId "worker" is connected (connected: one, two). Wait until it connects, or check the name.

      RequestTimeout
      Request "users/find" to http://127.0.0.1:9000 had no answer within 10000 ms. If it may take longer, give it a longer timeout.

      ConnectionClosed
      The connection to http://127.0.0.1:9000 closed (code 1001) before request "users/find" was answered. Whether it ran there is unknown; send it again only if it may run twice.
      The connection to http://127.0.0.1:9000 closed (code 1001: closing) before request "users/find" was answered. Whether it ran there is unknown; send it again only if it may run twice.

      NoHandler
      http://127.0.0.1:9000 has no handler for request "users/find". Register one there before the request is made.

      InvalidPayload
      The payload of request "users/find" was not sent: its cause
      The payload of request "users/find" was refused by http://127.0.0.1:9000: its cause

      InvalidResponse
      The response of http://127.0.0.1:9000 to request "users/find" can't be decoded: its cause. Do both ends share one definition of the request?

      RequestFailed
      Request "users/find" failed at http://127.0.0.1:9000: its cause

      FrameTooLarge
      Request "users/find" to http://127.0.0.1:9000 would be a frame of 20 bytes; the limit is 10. Send less, or raise { maxFrameBytes } at both ends.

      StreamsUnsupported
      http://127.0.0.1:9000 doesn't understand streams, so "users/find" can't be opened. Both ends need effect-ipc 0.2 or later.

      RouteConflict
      GET /users is already routed. Remove the other route first, or use another path.

      InvalidRoute
      GET users can't be routed: its cause. Paths look like /users/:id or /files/*.

      ServiceNotRegistered
      No service is registered as "users". Register it first.

      RegistryLimitExceeded
      The registry takes at most 10 entries of one participant. Register less, or raise { limits: { maxEntriesPerParticipant } } of every participant.
      The registry takes at most 10 entries of all participants, and as many strategies. Register less, or raise { limits: { maxEntries } } of every participant.
      The registry takes at most 10 bytes of one entry. Register less, or raise { limits: { maxEntryBytes } } of every participant.

      EntryUnsupported
      The leader can't register "users": it doesn't know endpoints. It is an earlier version of effect-ipc, or another program; try again once every participant has 0.2 or later.

      InvalidEntry
      The entry {} can't be registered: its cause. An entry looks like {"api":"users","baseUrl":"http://host:4001","pathPrefix":"/users"}."
    `)
  })

  it("an interception that isn't as it should be", () => {
    const { HarFailed, InvalidInterceptor, UnverifiedInterception } = samples
    expect(textOf({ HarFailed, InvalidInterceptor, UnverifiedInterception })).toMatchInlineSnapshot(`
      "HarFailed
      The HAR file /tests/a.har can't be read: its cause. Record it first, by record(file), or check the path.
      The HAR file /tests/a.har can't be written: its cause. Check that its folder exists and can be written to.

      InvalidInterceptor
      The interceptor can't be made: its cause.
      replay() can't do this: its cause.

      UnverifiedInterception
      Failed while it answered (fix the handler, or what it asserts):
        - mock GET /a, asked GET /a: the handler failed: one
            two
      Not called as often as expected (call it, remove it, or pass { optional: true }):
        - mock GET /a: never called
        - mock GET /b: never called
        - mock GET /c: called once, expected 2 times
      Answered 404, since nothing matched (mock it, or register the service):
        - GET /d
        - GET /e; nearest: mock GET /e, but body.a is 1, not 2, and 1 more part differs
            body.a
              - 2
              + 1
            body.b
              - 3
              + nothing
      Came without this session's trace context, so its interceptors left it alone (the test has to send the session's headers, fetch(url, { headers: session.headers }), and each service to pass traceparent or baggage on: https://github.com/effect-ipc/effect-ipc/blob/main/docs/testing.md#tests-at-the-same-time):
        - GET /f, which mock GET /f would have taken; it carried no trace context
        - GET /g, which mock GET /g would have taken; it carried that of another trace, ab"
    `)
  })

  it("a worker that ends, or doesn't start", () => {
    const { WorkerDied, WorkerStartFailed } = samples
    expect(textOf({ WorkerDied, WorkerStartFailed })).toMatchInlineSnapshot(`
      "WorkerDied
      Worker "orders" (/tests/orders.js) was ended by SIGTERM before it was ready. The test ended it: by stop or restart, or because the worker's scope closed.
      It wrote nothing to stderr or stdout.
      Worker "orders" (/tests/orders.js) exited with code 1 before it was ready. Node can't load its module as it is: pass { execArgv: ["--import", "tsx"] }, or the path of the compiled file.
      The end of its stderr:
        | ERR_UNKNOWN_FILE_EXTENSION
      Worker "orders" (/tests/orders.js) exited with code 1 before it was ready. A TypeScript module imports one that Node can't find: fix the path, or pass { execArgv: ["--import", "tsx"] } where it names a file that is yet to be compiled.
      The end of its stderr:
        | Cannot find module '/tests/a.js' imported from /tests/orders.ts
      Worker "orders" (/tests/orders.js) exited with code 1 before it was ready. Is the module's path right? Pass a URL: new URL(…, import.meta.url).
      The end of its stderr:
        | ERR_MODULE_NOT_FOUND
      Worker "orders" (/tests/orders.js) was ended by SIGKILL during request "config/set". It was killed by the test, by another process, or by the system for lack of memory.
      It wrote nothing to stderr or stdout.
      Worker "orders" (/tests/orders.js) was ended by SIGHUP before it was ready. It was sent that signal from outside.
      It wrote nothing to stderr or stdout.
      Worker "orders" (/tests/orders.js) exited with code 143 before it was ready. It was sent SIGTERM from outside.
      It wrote nothing to stderr or stdout.
      Worker "orders" (/tests/orders.js) exited with code 0 before it was ready. It ended because it had nothing left to do: does its module call WorkerClient.run, or await WorkerClient.connect?
      It wrote nothing to stderr or stdout.
      Worker "orders" (/tests/orders.js) exited with code 0 while it was awaited. It ended by itself: does it call process.exit, or close its connection?
      It wrote nothing to stderr or stdout.
      Worker "orders" (/tests/orders.js) exited with code 1 before it was ready. It printed no reason on stderr.
      The end of its stdout:
        | the end
      Worker "orders" (/tests/orders.js) exited with code 1 before it was ready. Fix the error printed on stderr:
      The end of its stderr:
        | Error: no database
      Worker "orders" (python3 app.py) exited with code 1 before it was ready. Its port is taken. Does it listen on the port in its variable PORT, and not on one of its own?
      The end of its stderr:
        | EADDRINUSE
      Worker "orders" (python3 app.py) was ended by SIGKILL before it was ready. It was killed by the test, by another process, or by the system for lack of memory.
      It wrote nothing to stderr or stdout.
      Worker "orders" (python3 app.py) was ended by SIGHUP before it was ready. It was sent that signal from outside.
      It wrote nothing to stderr or stdout.
      Worker "orders" (python3 app.py) exited with code 0 before it was ready. A command is a server that goes on until it is ended: does it run in the background, or only start another?
      It wrote nothing to stderr or stdout.
      Worker "orders" (python3 app.py) exited with code 1 before it was ready. It printed no reason on stderr.
      It wrote nothing to stderr or stdout.
      Worker "orders" (python3 app.py) exited with code 1 before it was ready. Fix the error printed on stderr:
      The end of its stderr:
        | no database

      WorkerStartFailed
      Worker "orders" (/tests/orders.js) could not be started: ENOENT. Check { cwd } and { execArgv }.
      It wrote nothing to stderr or stdout.
      Worker "orders" (/tests/orders.js) hadn't connected after 20s. Does its module call WorkerClient.run, or await WorkerClient.connect? One that takes longer to load needs { startTimeout }.
      It wrote nothing to stderr or stdout.
      Worker "orders" (/tests/orders.js) was connected, but not ready after 20s. What it does before it is ready (the effect given to WorkerClient.run, the function given to WorkerClient.connect) has to end; one that takes longer needs { startTimeout }. Where its module calls neither, call one, or start it with { command }.
      It wrote nothing to stderr or stdout.
      Worker "orders" (python3 app.py) could not be started: ENOENT. Is the program installed and on the PATH? Check { command } and { cwd }.
      It wrote nothing to stderr or stdout.
      Worker "orders" (python3 app.py) listened on no port that it was given after 20s. It listens on the port in its variable PORT; one that takes it as an argument needs { command: (port) => [...] }, one that chooses its own { ready: /listening on (?<port>\\d+)/ }, and one that takes longer { startTimeout }.
      It wrote nothing to stderr or stdout.
      Worker "orders" (python3 app.py) had printed nothing that { ready } matches after 20s. Does it print that when it is ready, and not keep its output back? One that takes longer needs { startTimeout }.
      The end of its stdout:
        | starting
      Worker "orders" (python3 app.py) can't be registered. Its cause. Check { api } and { pathPrefix }.
      It wrote nothing to stderr or stdout."
    `)
  })
})

const textOf = (errors: Readonly<Record<string, ReadonlyArray<Error>>>): string =>
  Object.entries(errors)
    .map(([name, all]) => [name, ...all.map(({ message }) => message)].join("\n"))
    .join("\n\n")
