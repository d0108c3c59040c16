import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { compile } from "../../support/typescript.js"

const folder = fileURLToPath(new URL("./wrong/", import.meta.url))
const root = fileURLToPath(new URL("../../../", import.meta.url))

/** What the compiler says of the folder's file, by line. */
const diagnostics = async (): Promise<ReadonlyMap<number, string>> => {
  const messages = new Map<number, string>()
  let line = 0
  for (const text of (await compile(folder, root)).trimEnd().split("\n")) {
    const [, at, message] = /calls\.ts\((\d+),\d+\): error TS\d+: (.*)/.exec(text) ?? []
    if (at !== undefined) line = Number(at)
    messages.set(line, [messages.get(line) ?? [], message ?? text.trim()].flat().join(" "))
  }
  return messages
}

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
