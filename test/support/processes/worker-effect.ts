/** A worker with Effect: answers its runner, and registers an api at the gateway. */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Discovery, IPCClient } from "effect-ipc"
import { WorkerClient } from "effect-ipc/testing"
import * as Requests from "../../integration/testing/requests.js"

let limit = 1

const serve = Effect.acquireRelease(
  Effect.async<http.Server>((resume) => {
    const server = http.createServer((_, response) => response.end(`limit ${limit}`))
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
)

WorkerClient.run(
  Effect.gen(function* () {
    const runner = yield* IPCClient
    const discovery = yield* Discovery
    yield* runner.handle(Requests.SetLimit, (value) =>
      Effect.sync(() => {
        limit = value
        return value
      })
    )
    yield* runner.handle(Requests.GetLimit, () => Effect.sync(() => limit))
    yield* runner.handle(Requests.GetEnv, (name) => Effect.sync(() => process.env[name] ?? null))
    yield* runner.handle(Requests.Greet, () =>
      Effect.map(runner.request(Requests.WhoIsThere), (name) => `Hello, ${name}!`)
    )
    const started = yield* Deferred.make<void>()
    yield* runner.handle(Requests.Hang, () => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))
    yield* runner.handle(Requests.Fall, ({ code, text }) =>
      Effect.sync(() => {
        process.stderr.write(text)
        process.exit(code)
      })
    )
    if (process.argv[2] === "serve") {
      const server = yield* serve
      const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      yield* discovery.register([{ api: "limits", baseUrl, pathPrefix: "/limits" }])
    }
  })
)
