import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as MessagePack from "../../layers/ipc/MessagePack.js"
import * as TokenProof from "../../layers/ipc/TokenProof.js"
import * as Frame from "../../src/connection/Frame.js"
import * as FrameBytes from "../../src/connection/FrameBytes.js"

const messagePack = await Effect.runPromise(MessagePack.messagePack)

const page = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8")

/** The lines of the code block behind the comment. */
const linesOf = (name: string): ReadonlyArray<string> => {
  const block = new RegExp(`<!-- ${name} -->\n\`\`\`\n([^]*?)\n\`\`\``).exec(page)?.[1]
  assert.isDefined(block)
  return (block as string).split("\n")
}

/** As the page shows a frame: bytes in base64, and null for what is none. */
const shown = (frame: Frame.Frame | Frame.Malformed): unknown => {
  if (frame.type === "malformed") return null
  const withBytes = (_key: string, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value
  return JSON.parse(JSON.stringify(frame, withBytes))
}

describe("the test vectors of the protocol's page", () => {
  it("hold for text frames", () => {
    const lines = linesOf("vectors")
    assert.isAbove(lines.length, 25)
    for (const line of lines) {
      const [, version, text, expected] = /^([012]) ("(?:[^"\\]|\\.)*") (.*)$/.exec(line) ?? []
      const frame = Frame.parse(JSON.parse(text ?? "") as string, Number(version) as 0 | 1 | 2)
      assert.deepStrictEqual(shown(frame), JSON.parse(expected ?? ""), line)
    }
  })

  it("hold for proofs of the token", () => {
    const lines = linesOf("proof vectors")
    assert.isAbove(lines.length, 3)
    for (const line of lines) {
      const [, token, role, host = "", port, address = "", proof] =
        /^("[^"]*") (client|server) (\S+) (\d+) (\S+) ([\w-]{43})$/.exec(line) ?? []
      const handshake = {
        serverNonce: "c2VydmVyLW5vbmNlLTAxMQ",
        clientNonce: "Y2xpZW50LW5vbmNlLTAyMg",
        dialled: { host, port: Number(port), address }
      }
      const key = TokenProof.keyOf(JSON.parse(token ?? "") as string)
      assert.strictEqual(TokenProof.prove(key, role as TokenProof.Role, handshake), proof, line)
    }
  })

  it("hold for binary frames", () => {
    const lines = linesOf("binary vectors")
    assert.isAbove(lines.length, 5)
    for (const line of lines) {
      const [, kind, hex, expected] = /^(raw|msgpack) ([0-9a-f]+) (.*)$/.exec(line) ?? []
      const bytes = new Uint8Array(Buffer.from(hex ?? "", "hex"))
      const serialization = kind === "msgpack" ? messagePack : undefined
      // What isn't to be decoded is refused before.
      const isRefused = serialization !== undefined && typeof FrameBytes.weigh(bytes, serialization) === "string"
      const frame = isRefused ? null : shown(FrameBytes.parse(bytes, serialization))
      assert.deepStrictEqual(frame, JSON.parse(expected ?? ""), line)
    }
  })
})
