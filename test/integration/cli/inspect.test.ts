/**
 * `effect-ipc inspect` and `effect-ipc traffic`, as processes.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Cli from "../../support/Cli.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ipc-traffic-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** A service with a name, a header and a body that would do something to a terminal. */
const rude = Effect.gen(function* () {
  const { port } = yield* Cli.Gateway
  const upstream = yield* Cli.http((_, response) => {
    response.writeHead(200, { "content-type": "text/plain", "set-cookie": "session=secret" })
    response.end("\u001b]0;taken\u0007\u001b[2Jbody")
  })
  const options = ["--api", "rude", "--prefix", "/rude", "--url", `http://127.0.0.1:${upstream}`, "--port", port]
  const registered = yield* Cli.start(["register", ...options])
  yield* registered.stdout.line("rude at")
})

const traffic = (...options: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { port } = yield* Cli.Gateway
    return yield* Cli.start(["traffic", "--port", port, ...options])
  })

/** Asks until the watcher, which may not be there yet, has shown a request. */
const askUntilShown = (path: string, process: Cli.Process) =>
  Effect.gen(function* () {
    const { url } = yield* Cli.Gateway
    const asking = Effect.forever(Effect.zipRight(Cli.get(`${url}${path}`), Effect.sleep("50 millis")))
    return yield* Effect.raceFirst(process.stdout.line(path), asking)
  })

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const control = /[\u0000-\u001f\u007f-\u009f]/

layer(Cli.Gateway.layer, { excludeTestServices: true, timeout: 30_000 })("the command", (it) => {
  it.scoped("traffic --watch prints exchanges on lines without control characters, and ends with 0", () =>
    Effect.gen(function* () {
      yield* rude
      const process = yield* traffic("--watch")
      const line = yield* askUntilShown("/rude/x", process)
      assert.match(line, /^\d\d:\d\d:\d\d 200 +[\d.]+ms GET \/rude\/x -> rude http:\/\/127\.0\.0\.1:\d+$/)
      yield* process.signal("SIGINT")
      assert.strictEqual(yield* process.exit, 0)
      for (const shown of process.stdout.lines) assert.notMatch(shown, control)
    })
  )

  it.scoped("traffic --json and --har show all of an exchange but secrets, in a file of the user's own", () =>
    Effect.gen(function* () {
      yield* rude
      const file = join(yield* folder, "traffic.har")
      writeFileSync(file, "older and longer than what comes\n".repeat(1000), { mode: 0o644 })
      const process = yield* traffic("--watch", "--json", "--har", file)
      const line = yield* askUntilShown("/rude/json", process)
      assert.notMatch(line, control)
      const shown = JSON.parse(line)
      assert.strictEqual(shown.responseBody.text, "\u001b]0;taken\u0007\u001b[2Jbody")
      assert.include(JSON.stringify(shown.responseHeaders), '["set-cookie","[hidden]"]')
      yield* process.signal("SIGTERM")
      assert.strictEqual(yield* process.exit, 0)
      const har = readFileSync(file, "utf8")
      assert.isAtLeast(JSON.parse(har).log.entries.length, 1)
      assert.notInclude(har, "secret")
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
    })
  )

  it.scoped("traffic without --watch prints what is recorded for others, or says that nothing is", () =>
    Effect.gen(function* () {
      yield* rude
      const alone = yield* traffic()
      assert.strictEqual(yield* alone.exit, 0)
      assert.deepStrictEqual(alone.stdout.lines, [])
      assert.include(alone.stderr.lines.join("\n"), "nothing is recorded while the gateway isn't watched")
      const watching = yield* traffic("--watch")
      yield* askUntilShown("/rude/kept", watching)
      const later = yield* traffic()
      assert.strictEqual(yield* later.exit, 0)
      assert.include(later.stdout.lines.join("\n"), "/rude/kept")
    })
  )

  it.scoped("traffic says what is wrong on one line", () =>
    Effect.gen(function* () {
      const port = yield* Cli.freePort
      const { exit, stderr } = yield* Cli.run(["traffic", "--port", port])
      assert.strictEqual(exit, 1)
      assert.match(stderr, /^effect-ipc: Nothing listens at [^\n]*$/)
      const process = yield* traffic("--har", "/nowhere/traffic.har")
      assert.strictEqual(yield* process.exit, 1)
      assert.match(process.stderr.lines.join("\n"), /^effect-ipc: Could not write \/nowhere\/traffic\.har: ENOENT/)
    })
  )

  it.scoped("inspect and serve --inspect print an address whose page and JSON answer, until they are stopped", () =>
    Effect.gen(function* () {
      const { port } = yield* Cli.Gateway
      for (const args of [
        ["inspect", "--port", port],
        ["serve", "--inspect", "--port", "0"]
      ]) {
        const process = yield* Cli.start(args)
        const line = yield* process.stdout.line("The inspector is at ")
        const [, origin, token] =
          /^The inspector is at (http:\/\/127\.0\.0\.1:\d+)\/#token=([\w-]{43})$/.exec(line) ?? []
        assert.include((yield* Cli.get(`${origin}/`)).body, "<title>effect-ipc inspector</title>")
        assert.strictEqual((yield* Cli.get(`${origin}/api/status`)).status, 401)
        const headers = { authorization: `Bearer ${token}` }
        const isConnected = Effect.promise(async () => {
          const response = await fetch(`${origin}/api/status`, { headers })
          return ((await response.json()) as { readonly connected: boolean }).connected
        })
        yield* Effect.repeat(isConnected, { until: (connected) => connected })
        yield* process.signal("SIGINT")
        assert.strictEqual(yield* process.exit, 0)
      }
    })
  )
})
