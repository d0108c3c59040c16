/** The command is one file, and brings what it alone needs. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import manifest from "effect-ipc/package.json" with { type: "json" }
import { LocalDiscovery } from "effect-ipc/promise"

await assert.rejects(import("@effect/cli"), { code: "ERR_MODULE_NOT_FOUND" })
const bin = new URL(`./node_modules/effect-ipc/${manifest.bin["effect-ipc"]}`, import.meta.url)
const served = spawn(process.execPath, [fileURLToPath(bin), "serve", "--port", "0"], {
  stdio: ["ignore", "pipe", "inherit"]
})
const [line] = await once(served.stdout, "data")
const url = /^The gateway listens on (http:\S+)/.exec(line)[1]
assert.equal((await fetch(`${url}/users/7`)).status, 404)

const participant = new LocalDiscovery(Number(new URL(url).port))
await participant.join()
await participant.register({ api: "users", baseUrl: "http://127.0.0.1:1", pathPrefix: "/users" })
assert.equal((await fetch(`${url}/users/7`)).status, 502)
await participant.teardown()
served.kill("SIGTERM")
assert.deepEqual(await once(served, "exit"), [0, null])
