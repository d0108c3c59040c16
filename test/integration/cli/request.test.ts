import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Discovery } from "../../../src/Discovery.js"
import { IPCServer } from "../../../src/IPCServer.js"
import * as ServiceServer from "../../../src/ServiceServer.js"
import * as Cli from "../../support/Cli.js"
import * as Live from "../../support/discovery.js"

class NoSuchUser extends Schema.TaggedError<NoSuchUser>("test/cli/NoSuchUser")("NoSuchUser", { id: Schema.Number }) {
  override get message() {
    return `there is no user ${this.id}`
  }
}

const Get = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.Number }),
  success: Schema.Struct({ name: Schema.String }),
  failure: NoSuchUser
})
const Reset = IPCServer.defineRequest<void, void>("users/reset")
const Names = IPCServer.defineStream<number, { readonly name: string }>("users/names")
const Logins = IPCServer.defineStream<void, string>("users/logins")
const Broken = IPCServer.defineStream<void, string>("users/broken")

const serve = Effect.gen(function* () {
  const port = yield* Live.freePort
  const { discovery } = yield* Live.participant({ port })
  yield* ServiceServer.make("users", (server) =>
    Effect.all([
      server.handle(Get, ({ id }) =>
        id === 1 ? Effect.succeed({ name: "Ada\u001b[2J" }) : Effect.fail(new NoSuchUser({ id }))
      ),
      server.handle(Reset, () => Effect.void),
      server.handleStream(Names, (count) => Stream.map(Stream.range(1, count), (n) => ({ name: `user ${n}` }))),
      server.handleStream(Logins, () => Stream.concat(Stream.make("Ada"), Stream.never)),
      server.handleStream(Broken, () => Stream.concat(Stream.make("Ada"), Stream.fail("the log is gone")))
    ])
  ).pipe(Effect.provideService(Discovery, discovery))
  return String(port)
})

describe("effect-ipc request and stream", () => {
  it.scopedLive(
    "ask a service by its name, and print what it answers",
    () =>
      Effect.gen(function* () {
        const port = yield* serve
        const run = (...words: ReadonlyArray<string>) => Cli.run([...words, "--port", port])
        const answers = yield* Effect.all(
          [
            run("request", "users", "users/get", '{"id":1}'),
            run("request", "users", "users/reset"),
            run("stream", "users", "users/names", "2"),
            run("request", "users", "users/get", '{"id":2}'),
            run("request", "users", "users/none"),
            run("stream", "users", "users/broken"),
            run("request", "orders", "orders/get", "--timeout", "0.2"),
            run("request", "usres", "users/get", "--timeout", "1.5"),
            run("request", "users", "users/get", "{id:1}"),
            run("request", "users", "a:b")
          ],
          { concurrency: 3 }
        )
        assert.deepStrictEqual(
          answers.map(({ exit, stderr, stdout }) => [exit, stdout, stderr.replace(/(?<=127\.0\.0\.1:)\d+/, "PORT")]),
          [
            [0, '{"name":"Ada\\u001b[2J"}', ""],
            [0, "", ""],
            [0, '{"name":"user 1"}\n{"name":"user 2"}', ""],
            [
              1,
              "",
              'effect-ipc: Request "users/get" failed at users at http://127.0.0.1:PORT: NoSuchUser: there is no user 2'
            ],
            [
              1,
              "",
              'effect-ipc: users at http://127.0.0.1:PORT has no handler for request "users/none". Register one there before the request is made.'
            ],
            [
              1,
              '"Ada"',
              'effect-ipc: Request "users/broken" failed at users at http://127.0.0.1:PORT: the log is gone'
            ],
            [
              1,
              "",
              'effect-ipc: No service is registered as "orders". Registered: users. Is the service running, and is its name spelled so?'
            ],
            [
              1,
              "",
              [
                'effect-ipc: waiting for "usres" (registered by name: users)',
                'effect-ipc: No service is registered as "usres". Registered: users. Is the service running, and is its name spelled so?'
              ].join("\n")
            ],
            [2, "", 'effect-ipc: The payload must be JSON, not "{id:1}". Try "effect-ipc request --help".'],
            [2, "", 'effect-ipc: "a:b" can\'t be the name of a request or stream. Try "effect-ipc request --help".']
          ]
        )
        const logins = yield* Cli.start(["stream", "users", "users/logins", "--port", port])
        yield* logins.stdout.line('"Ada"')
        yield* logins.signal("SIGINT")
        assert.deepStrictEqual([yield* logins.exit, logins.stderr.lines], [0, []])
      }),
    60_000
  )
})
