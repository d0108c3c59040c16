import { hostname } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as HostNames from "../../../layers/ipc/HostNames.js"

describe("A server's names", () => {
  for (const [host, allowed, name, isName] of [
    ["127.0.0.1", [], "localhost", true],
    ["127.0.0.1", [], "LocalHost.", true],
    ["127.0.0.1", [], "[::1]", true],
    ["127.0.0.1", [], "[::ffff:127.0.0.1]", true],
    ["127.0.0.1", [], "127.1", true],
    ["127.0.0.1", [], "127.0.0.2", false],
    ["127.0.0.1", [], "localhost.evil.example", false],
    ["127.0.0.1", [], "evil.example.", false],
    ["127.0.0.1", [], "", false],
    ["127.0.0.1", ["Gateway.Example"], "gateway.example.", true],
    ["127.0.0.1", ["gateway.example."], "GATEWAY.example", true],
    ["127.0.0.1", ["bücher.example"], "xn--bcher-kva.example", true],
    ["127.0.0.1", ["gateway.example:8443"], "gateway.example", true],
    ["127.0.0.1", ["[2001:db8::1]:8443"], "[2001:DB8:0::1]", true],
    ["127.0.0.1", ["2001:db8::1"], "[2001:db8::1]", true],
    ["fe80::1%eth0", [], "[fe80::1%25eth0]", true],
    ["fe80::1%eth0", [], "[fe80::1]", true],
    ["0.0.0.0", [], hostname(), true],
    ["::", [], "192.0.2.7", true],
    ["127.0.0.1", [], "192.0.2.7", false],
    ["::", [], "192.0.2.8", false]
  ] as const) {
    it(`${isName ? "include" : "don't include"} ${name} at ${host} with ${allowed.join() || "nothing else"}`, () => {
      assert.strictEqual(HostNames.make(host, allowed).isName(name, { localAddress: "::ffff:192.0.2.7" }), isName)
    })
  }

  it("say from where something forwards to it", () => {
    const { isForwarded } = HostNames.make("127.0.0.1", ["a.example", "b.example:443", "[::1]:9001", "127.0.0.1:09002"])
    assert.deepStrictEqual(
      [
        isForwarded("a.example", 443),
        isForwarded("B.example.", 443),
        isForwarded("b.example", 444),
        isForwarded("[::1]", 9001),
        isForwarded("127.0.0.1", 9002),
        isForwarded("127.0.0.1", 9000)
      ],
      [false, true, false, true, true, false]
    )
  })
})

describe("The name in a Host header", () => {
  for (const [header, name] of [
    ["localhost", "localhost"],
    ["localhost:9000", "localhost"],
    ["localhost:", "localhost"],
    ["[::1]:9000", "[::1]"],
    ["[::1]", "[::1]"],
    ["", undefined],
    [":9000", undefined],
    ["::1", undefined],
    ["[::1", undefined],
    ["[]", undefined],
    ["localhost:http", undefined],
    ["localhost:1:2", undefined],
    ["evil@localhost", undefined],
    ["localhost/evil", undefined],
    ["localhost?evil", undefined],
    ["localhost#evil", undefined],
    ["localhost\\evil", undefined],
    ["evil localhost", undefined]
  ] as const) {
    it(`${JSON.stringify(header)} is ${name}`, () => {
      assert.strictEqual(HostNames.withoutPort(header), name)
    })
  }
})
