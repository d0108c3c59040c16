import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { startLimited } from "./child.js"
import { ask, serve } from "./support.js"

describe("a gateway without a free file descriptor", () => {
  it.scopedLive("says so, and forwards again once there is one", () =>
    Effect.gen(function* () {
      const upstream = yield* serve({ onRequest: (_, response) => response.end("the service") })
      const child = yield* startLimited(256, "http-descriptors.ts", upstream.url)
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new http.Agent({ keepAlive: true, maxSockets: 1 })),
        (agent) => Effect.sync(() => agent.destroy())
      )
      const get = (path: string) => ask(`http://127.0.0.1:${child.port}${path}`, { agent })
      assert.strictEqual((yield* get("/ready")).text, '"ready"')
      // The first proxied request finds none to load the HTTP client with, later ones none for a connection.
      const { connections } = yield* child.ask("take")
      assert.isAbove(connections, 50)
      const { status, text } = yield* get("/x")
      assert.strictEqual(status, 500)
      assert.strictEqual(
        text,
        `{"error":"The gateway's HTTP client couldn't be loaded (EMFILE); ${upstream.url} was not asked."}`
      )
      yield* child.ask("free")
      assert.strictEqual((yield* get("/x")).text, "the service")
      yield* upstream.close
      yield* child.ask("take")
      const refused = yield* get("/x")
      assert.strictEqual(refused.status, 503)
      assert.include(refused.text, `The gateway can't open another connection, to ${upstream.url} (EMFILE).`)
      yield* child.ask("free")
      const gone = yield* get("/x")
      assert.strictEqual(gone.status, 502)
      assert.include(gone.text, "ECONNREFUSED")
    })
  )
})
