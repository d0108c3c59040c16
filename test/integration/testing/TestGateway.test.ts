import * as Effect from "effect/Effect"
import { TestGateway, WorkerDied } from "effect-ipc/testing"
import { assert, describe, it } from "vitest"
import * as Requests from "./requests.js"
import { lives, type Module, path } from "./support.js"

const options = (module: Module) => ({ module: path(module), stdio: "capture", stopGrace: "20 seconds" }) as const

describe("a gateway behind promises", () => {
  it("starts workers, commands them, answers them, and takes them with it", async () => {
    const gateway = await TestGateway.start()
    gateway.handle(Requests.WhoIsThere, async (_, { runtimeId }) => `runner of ${runtimeId}`)
    const worker = await gateway.worker({ ...options("worker-effect.ts"), runtimeId: "limits", args: ["serve"] })
    const pid = worker.pid()
    assert.strictEqual(await worker.request(Requests.SetLimit, 4), 4)
    assert.strictEqual(await worker.request(Requests.Greet), "Hello, runner of limits!")
    const url = await gateway.discover("limits")
    assert.strictEqual(await fetch(`${url}/limits`).then((response) => response.text()), "limit 4")
    assert.isTrue(await Effect.runPromise(lives(pid)))
    await gateway.close()
    assert.isFalse(await Effect.runPromise(lives(pid)))
    assert.deepStrictEqual(await worker.exit(), { code: 0 })
  })

  it("tells who is registered, and ends what waits for a worker that is stopped", async () => {
    await using gateway = await TestGateway.start()
    const worker = await gateway.worker({ ...options("worker-effect.ts"), runtimeId: "limits", args: ["serve"] })
    const [route] = await gateway.routes()
    assert.deepStrictEqual([route?.api, route?.owner], ["limits", "limits"])
    assert.deepStrictEqual(await gateway.instances("limits"), await gateway.routes())
    assert.strictEqual(await worker.whileAlive(async () => 42), 42)
    let aborted = false
    const waiting = worker.whileAlive(
      (signal) =>
        new Promise(() => {
          signal.addEventListener("abort", () => {
            aborted = true
          })
        })
    )
    assert.deepStrictEqual(await worker.stop(), { code: 0 })
    const error = await waiting.catch((reason) => reason)
    assert.instanceOf(error, WorkerDied)
    assert.isTrue(aborted)
    assert.deepStrictEqual(await gateway.routes(), [])
  })

  it("rejects what waits for a worker that dies", async () => {
    await using gateway = await TestGateway.start()
    const worker = await gateway.worker(options("worker-effect.ts"))
    const hanging = worker.request(Requests.Hang)
    worker.kill("SIGKILL")
    const error = await hanging.catch((reason) => reason)
    assert.instanceOf(error, WorkerDied)
    assert.strictEqual(error.signal, "SIGKILL")
  })
})
