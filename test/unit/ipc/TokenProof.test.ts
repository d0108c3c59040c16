import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as TokenProof from "../../../layers/ipc/TokenProof.js"

const text = FastCheck.string({ unit: "binary", maxLength: 40 })

const handshake: FastCheck.Arbitrary<TokenProof.Handshake> = FastCheck.record({
  serverNonce: text,
  clientNonce: text,
  dialled: FastCheck.record({ host: text, port: FastCheck.nat(65_535), address: text })
})

const role = FastCheck.constantFrom<Array<TokenProof.Role>>("client", "server")

const seconds = (count: number): number => count * 1000

describe("A proof of the token", () => {
  it.prop(
    "is verified by a holder of the token",
    [FastCheck.string({ unit: "binary", minLength: 1 }), role, handshake],
    ([token, who, what]) => {
      const proof = TokenProof.prove(TokenProof.keyOf(token), who, what)
      assert.match(proof, /^[\w-]{43}$/)
      assert.isTrue(TokenProof.verify(TokenProof.keyOf(token), who, what, proof))
    }
  )

  it.prop("is no proof of another handshake", [role, handshake, handshake], ([who, one, other]) => {
    const key = TokenProof.keyOf("a secret of the tests")
    const isSame = JSON.stringify(one) === JSON.stringify(other)
    assert.strictEqual(TokenProof.verify(key, who, other, TokenProof.prove(key, who, one)), isSame)
  })

  it.prop("is no proof where one of its parts differs", [handshake, FastCheck.nat(4), text], ([what, part, other]) => {
    const key = TokenProof.keyOf("a secret of the tests")
    const changed: TokenProof.Handshake = [
      { ...what, serverNonce: `${what.serverNonce}${other}x` },
      { ...what, clientNonce: `${what.clientNonce}${other}x` },
      { ...what, dialled: { ...what.dialled, host: `${what.dialled.host}${other}x` } },
      { ...what, dialled: { ...what.dialled, port: what.dialled.port + 1 } },
      { ...what, dialled: { ...what.dialled, address: `${what.dialled.address}${other}x` } }
    ][part] as TokenProof.Handshake
    assert.isFalse(TokenProof.verify(key, "client", changed, TokenProof.prove(key, "client", what)))
  })

  it.prop("is no proof of the other end, nor of another token", [handshake], ([what]) => {
    const key = TokenProof.keyOf("a secret of the tests")
    const proof = TokenProof.prove(key, "client", what)
    assert.isFalse(TokenProof.verify(key, "server", what, proof))
    assert.isFalse(TokenProof.verify(TokenProof.keyOf("a secret of the test"), "client", what, proof))
  })

  it.prop("is nothing that isn't one", [handshake, FastCheck.string({ unit: "binary" })], ([what, garbage]) => {
    const key = TokenProof.keyOf("a secret of the tests")
    assert.isFalse(TokenProof.verify(key, "client", what, garbage))
    assert.isFalse(TokenProof.verify(key, "client", what, `${TokenProof.prove(key, "client", what)}${garbage}=`))
  })

  it("is what any other language computes", () => {
    const key = TokenProof.keyOf("correct horse battery staple")
    const what = {
      serverNonce: "c2VydmVyLW5vbmNlLTAxMQ",
      clientNonce: "Y2xpZW50LW5vbmNlLTAyMg",
      dialled: { host: "127.0.0.1", port: 9000, address: "127.0.0.1" }
    }
    assert.deepStrictEqual(
      [TokenProof.prove(key, "client", what), TokenProof.prove(key, "server", what)],
      ["wewhYUmhkx9YACFL_9fjoIhKwyZ_ReWvzBfDcM3r7uI", "S73UMDKG4rwkZ16KQFnc2B5Sw74kof0an6nsveA9m4U"]
    )
  })
})

describe("A nonce", () => {
  it("is made once", () => {
    const nonces = Array.from({ length: 10_000 }, TokenProof.makeNonce)
    assert.strictEqual(new Set(nonces).size, nonces.length)
    for (const nonce of nonces) assert.match(nonce, /^[\w-]{22}$/)
  })

  it("can be used once", () => {
    const challenges = new TokenProof.Challenges()
    const nonce = challenges.issue(0)
    assert.deepStrictEqual(
      [challenges.take(TokenProof.makeNonce(), 1), challenges.take(nonce, 2), challenges.take(nonce, 3)],
      [false, true, false]
    )
  })

  it("can be used for ten seconds, and leaves nothing behind", () => {
    const challenges = new TokenProof.Challenges()
    const [first, second] = [challenges.issue(0), challenges.issue(seconds(1))]
    assert.isFalse(challenges.take(first, seconds(10)))
    assert.isTrue(challenges.take(second, seconds(10.9)))
    assert.strictEqual(challenges.size, 0)
  })

  it("is one of a bounded number, of which the latest are kept", () => {
    const challenges = new TokenProof.Challenges()
    const nonces = Array.from({ length: 50_000 }, () => challenges.issue(0))
    assert.strictEqual(challenges.size, 16_384)
    assert.deepStrictEqual(
      [nonces.at(-16_385), nonces.at(-16_384), nonces.at(-1)].map((nonce) => challenges.take(nonce as string, 1)),
      [false, true, true]
    )
  })

  it.prop(
    "behaves as in a simple model, whatever the order of events",
    [FastCheck.array(FastCheck.tuple(FastCheck.boolean(), FastCheck.nat(8_000), FastCheck.nat(5)), { maxLength: 60 })],
    ([events]) => {
      const challenges = new TokenProof.Challenges()
      const issued: Array<{ readonly nonce: string; readonly at: number; used: boolean }> = []
      let now = 0
      for (const [issues, millis, back] of events) {
        now += millis
        const earlier = issued.at(-1 - back)
        if (issues || earlier === undefined) {
          issued.push({ nonce: challenges.issue(now), at: now, used: false })
        } else {
          const usable = !earlier.used && now - earlier.at < seconds(10)
          assert.strictEqual(challenges.take(earlier.nonce, now), usable)
          earlier.used = true
        }
      }
    }
  )
})
