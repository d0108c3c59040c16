/**
 * The facade in processes of their own: they end by themselves, whatever was left unawaited.
 */
import { spawn } from "node:child_process"
import { assert, describe, it, onTestFinished } from "vitest"
import { program } from "../../support/program.js"

const run = (name: string): Promise<{ code: number | null; signal: string | null; out: string; err: string }> =>
  new Promise((resolve) => {
    const path = program(`test/support/processes/${name}`)
    const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "pipe"] })
    onTestFinished(() => {
      child.kill("SIGKILL")
    })
    let out = ""
    let err = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text
    })
    child.once("close", (code, signal) => resolve({ code, signal, out, err }))
  })

describe("a process", () => {
  it("that uses every method ends by itself, with nothing on stderr", async () => {
    assert.deepStrictEqual(await run("promise-everything.ts"), { code: 0, signal: null, out: "done\n", err: "" })
  })

  it("that registers, discovers, leads, follows and is taken over ends by itself, with nothing on stderr", async () => {
    assert.deepStrictEqual(await run("promise-discovery.ts"), { code: 0, signal: null, out: "done\n", err: "" })
  })

  it("that awaits next to nothing isn't ended by it, and is told on stderr what went wrong", async () => {
    const { err, ...outcome } = await run("promise-careless.ts")
    assert.deepStrictEqual(outcome, { code: 0, signal: null, out: "done\n" })
    assert.include(err, "a callback that throws")
    assert.include(err, "a callback that rejects")
    assert.match(err, /The connection to \S+ closed .*; reconnecting/)
  })

  it("that has frozen Error gets its responses, and answers what isn't JSON", async () => {
    const { out, ...outcome } = await run("promise-hardened.ts")
    assert.deepInclude(outcome, { code: 0, signal: null })
    const { answer, doubled } = JSON.parse(out)
    assert.strictEqual(doubled, 42)
    assert.include(answer, "double")
    assert.include(answer, '"success":false')
  })

  it("in plain JavaScript names its requests, and gets the same errors", async () => {
    const { out, ...outcome } = await run("promise-plain.js")
    assert.deepStrictEqual(outcome, { code: 0, signal: null, err: "" })
    assert.deepStrictEqual(JSON.parse(out), {
      sum: 3,
      double: 42,
      status: 404,
      errors: [
        [true, "RequestFailed", "RequestFailed"],
        [true, "NoHandler", "NoHandler"],
        [true, "InvalidPayload", "InvalidPayload"],
        [true, "ClientNotConnected", "ClientNotConnected"],
        [true, "RequestFailed", "RequestFailed"]
      ]
    })
  })
})
