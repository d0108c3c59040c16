import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as ProofHeaders from "../../../layers/ipc/ProofHeaders.js"
import * as TokenProof from "../../../layers/ipc/TokenProof.js"

const nonce = "c2VydmVyLW5vbmNlLTAxMQ"
const clientNonce = "Y2xpZW50LW5vbmNlLTAyMg"
const proof = "wewhYUmhkx9YACFL_9fjoIhKwyZ_ReWvzBfDcM3r7uI"

describe("The challenge of a server", () => {
  for (const [header, challenge] of [
    [`Effect-IPC nonce="${nonce}", Bearer`, { scheme: "proof", serverNonce: nonce, stale: false }],
    [`Effect-IPC nonce="${nonce}", stale="true", Bearer`, { scheme: "proof", serverNonce: nonce, stale: true }],
    [`Bearer realm="x", effect-ipc nonce="${nonce}"`, { scheme: "proof", serverNonce: nonce, stale: false }],
    ["Bearer", { scheme: "bearer" }],
    ['bearer realm="here"', { scheme: "bearer" }],
    ['Basic realm="Bearer"', undefined],
    ['Effect-IPC nonce="short"', undefined],
    [`Effect-IPC nonce="${nonce}x"`, undefined],
    ["", undefined],
    [undefined, undefined]
  ] as const) {
    it(`is read from ${header}`, () => {
      assert.deepStrictEqual(ProofHeaders.parseChallenge(header), challenge)
    })
  }

  it("is what the server prints", () => {
    for (const stale of [true, false]) {
      const serverNonce = TokenProof.makeNonce()
      assert.deepStrictEqual(ProofHeaders.parseChallenge(ProofHeaders.printChallenge(serverNonce, stale)), {
        scheme: "proof",
        serverNonce,
        stale
      })
    }
  })
})

describe("The proof of a client", () => {
  it.prop(
    "is what the client prints",
    [FastCheck.constantFrom("127.0.0.1", "[::1]", "localhost", "xn--bcher-kva.example"), FastCheck.nat(65_535)],
    ([host, port]) => {
      const handshake = {
        serverNonce: TokenProof.makeNonce(),
        clientNonce: TokenProof.makeNonce(),
        dialled: { host, port, address: "::1" }
      }
      assert.deepStrictEqual(ProofHeaders.parseClientProof(ProofHeaders.printClientProof(handshake, proof)), {
        handshake,
        proof
      })
    }
  )

  const whole = `Effect-IPC nonce="${nonce}", cnonce="${clientNonce}", host="a", port="1", address="b", proof="${proof}"`

  for (const header of [
    undefined,
    "",
    "Effect-IPC",
    "Effect-IPC ",
    `${whole},`,
    `${whole}, proof="${proof}"`,
    `x${whole}`,
    whole.replace("Effect-IPC", "Effect-IPC2"),
    whole.replace('port="1"', 'port="-1"'),
    whole.replace('port="1"', 'port="100000"'),
    whole.replace('port="1"', 'port=""'),
    whole.replace('host="a"', 'host=""'),
    whole.replace('host="a"', `host="${"a".repeat(256)}"`),
    whole.replace('host="a"', 'host="a\\""'),
    whole.replace(nonce, ""),
    whole.replace(proof, `${proof}=`),
    whole.replace(', address="b"', ""),
    `Effect-IPC ${", ".repeat(5000)}`
  ]) {
    it(`is no ${JSON.stringify(header?.slice(0, 200))}`, () => {
      assert.strictEqual(ProofHeaders.parseClientProof(header), undefined)
    })
  }

  it.prop("is nothing that is random", [FastCheck.string({ maxLength: 200 })], ([garbage]) => {
    assert.strictEqual(ProofHeaders.parseClientProof(garbage), undefined)
    assert.strictEqual(ProofHeaders.parseClientProof(`${whole.slice(0, -1)}${garbage}x`), undefined)
  })
})

describe("The proof of a server", () => {
  it("is what the server prints, and empty where there is none", () => {
    assert.strictEqual(ProofHeaders.parseServerProof(ProofHeaders.printServerProof(proof)), proof)
    for (const header of [undefined, "", "proof", 'proof=""', `proof="${proof}`, `proof="${proof}", x`, [proof]]) {
      assert.strictEqual(ProofHeaders.parseServerProof(header), "")
    }
  })
})
