import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const printed: Record<string, ReadonlyArray<string>> = {
  "call-a-client.ts": [
    "worker-1 is at 50 %",
    "worker-1 answers 144",
    'No client with runtimeId "worker-2" is connected (connected: worker-1). awaitClient waits for one.'
  ],
  "config-and-token.ts": ["I am worker-1", "Rejected with 401"],
  "http-gateway.ts": [
    'GET /hello/Ada → 200 {"hello":"Ada"}',
    "DELETE /sessions/1 → 204 ",
    "GET /users/7?full=true → 200 users answers GET /users/7?full=true",
    'GET /nowhere → 404 {"error":"No route for GET /nowhere. No route matches, and the proxy resolver knows no upstream for it: is the service registered?"}'
  ],
  "promise.ts": ["Hello, Ada! You are worker-1.", "144", "{ hello: 'Ada' }", "ClientNotConnected"],
  "typed-failure.ts": ["Ada, since 2024", "nobody has id 2"],
  "typed-request.ts": ["Hello, Ada!"]
}

const folder = new URL("../examples/", import.meta.url)

const run = promisify(execFile)

describe("every example runs to its end and prints what the reader expects", () => {
  for (const [name, lines] of Object.entries(printed)) {
    it(name, async () => {
      // Rejects on any exit code but 0.
      const { stderr, stdout } = await run(
        process.execPath,
        ["--import", "tsx", fileURLToPath(new URL(name, folder))],
        {
          timeout: 20_000
        }
      )
      assert.deepStrictEqual(stdout.trimEnd().split("\n"), lines.join("\n").trimEnd().split("\n"))
      assert.strictEqual(stderr, "")
    })
  }

  it("and each is looked at here", () => {
    const present = readdirSync(folder).filter((name) => name.endsWith(".ts") && name !== "demo.ts")
    assert.deepStrictEqual(present.sort(), Object.keys(printed).sort())
  })
})
