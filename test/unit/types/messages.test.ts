import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const folder = fileURLToPath(new URL("./wrong/", import.meta.url))
const root = fileURLToPath(new URL("../../../", import.meta.url))

/** What the compiler says of the folder's file, by line. */
const diagnostics = (): Promise<ReadonlyMap<number, string>> =>
  new Promise((resolve) => {
    const tsc = `${root}/node_modules/typescript/bin/tsc`
    // Its threads would check much of it each.
    const args = [tsc, "-p", folder, "--pretty", "false", "--singleThreaded"]
    execFile(process.execPath, args, { cwd: root }, (_error, stdout) => {
      const messages = new Map<number, string>()
      let line = 0
      for (const text of stdout.trimEnd().split("\n")) {
        const [, at, message] = /calls\.ts\((\d+),\d+\): error TS\d+: (.*)/.exec(text) ?? []
        if (at !== undefined) line = Number(at)
        messages.set(line, [messages.get(line) ?? [], message ?? text.trim()].flat().join(" "))
      }
      resolve(messages)
    })
  })

describe("the compiler's messages", () => {
  it("say what is wrong with a call", { timeout: 60_000 }, async () => {
    const said = await diagnostics()
    const lines = readFileSync(`${folder}calls.ts`, "utf8").split("\n")
    const expected = lines.flatMap((text, index) => (text.startsWith("//! ") ? [[index, text.slice(4)] as const] : []))
    assert.isAbove(expected.length, 10)
    for (const [line, message] of expected) assert.include(said.get(line) ?? "nothing", message, lines[line - 1])
    assert.deepStrictEqual(
      [...said.keys()].sort((a, b) => a - b),
      expected.map(([line]) => line)
    )
  })
})
