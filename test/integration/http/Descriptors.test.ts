import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { start } from "../../support/Child.js"
import { ask, serve } from "./support.js"

describe("a gateway without a free file descriptor", () => {
  it.scopedLive("says so, and forwards again once there is one", () =>
    Effect.gen(function* () {
      const upstream = yield* serve({ onRequest: (_, response) => response.end("the service") })
      const child = yield* start("http-descriptors.ts", { args: [upstream.url], openFiles: 256 })
      const port = yield* child.line("port")
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new http.Agent({ keepAlive: true, maxSockets: 1 })),
        (agent) => Effect.sync(() => agent.destroy())
      )
      const get = (path: string) => ask(`http://127.0.0.1:${port}${path}`, { agent })
      assert.strictEqual((yield* get("/ready")).text, '"ready"')
      // The first proxied request finds none to load the HTTP client with, later ones none for a connection.
      assert.isAbove(Number(yield* child.ask("take", "taken")), 50)
      const { status, text } = yield* get("/x")
      assert.strictEqual(status, 500)
      // Without a descriptor for a package's manifest, Node 24 takes that for invalid.
      const { error } = JSON.parse(text)
      assert.strictEqual(
        error.replace("ERR_INVALID_PACKAGE_CONFIG", "EMFILE"),
        `The gateway's HTTP client couldn't be loaded (EMFILE); ${upstream.url} was not asked.`
      )
      yield* child.ask("free", "freed")
      assert.strictEqual((yield* get("/x")).text, "the service")
      yield* upstream.close
      yield* child.ask("take", "taken")
      const refused = yield* get("/x")
      assert.strictEqual(refused.status, 503)
      assert.include(refused.text, `The gateway can't open another connection, to ${upstream.url} (EMFILE).`)
      yield* child.ask("free", "freed")
      const gone = yield* get("/x")
      assert.strictEqual(gone.status, 502)
      assert.include(gone.text, "ECONNREFUSED")
    })
  )
})
