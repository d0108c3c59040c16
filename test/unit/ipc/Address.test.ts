import { hostname, networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as Address from "../../../layers/ipc/Address.js"

const each = <A>(of: (host: string) => A, expected: Readonly<Record<string, A>>) =>
  assert.deepStrictEqual(Object.fromEntries(Object.keys(expected).map((host) => [host, of(host)])), expected)

describe("A host", () => {
  it("has one spelling", () => {
    each(Address.canonicalHost, {
      LOCALHOST: "localhost",
      "localhost.": "localhost",
      "127.1": "127.0.0.1",
      "2130706433": "127.0.0.1",
      "0x7f.0.0.1": "127.0.0.1",
      "[::1]": "::1",
      "0:0:0:0:0:0:0:1": "::1",
      "::ffff:127.0.0.1": "127.0.0.1",
      "::FFFF:10.1.2.3": "10.1.2.3",
      "Example.COM": "example.com",
      ".": ".",
      "": "",
      // No hosts, so that none is taken for one that it contains.
      "127.0.0.1:80": "127.0.0.1:80",
      "127.0.0.1/x": "127.0.0.1/x",
      "x@127.0.0.1": "x@127.0.0.1",
      "local\thost": "local\thost"
    })
  })

  it("is a loopback one in every spelling, and only then", () => {
    each(Address.isLoopback, {
      "127.0.0.1": true,
      "127.1": true,
      "127.8.9.10": true,
      "::1": true,
      "[::1]": true,
      "::ffff:127.0.0.1": true,
      localhost: true,
      "LocalHost.": true,
      "users.localhost": true,
      "": false,
      "0.0.0.0": false,
      "::": false,
      "10.0.0.1": false,
      "localhost.example.com": false,
      notlocalhost: false,
      "127.0.0.1.example.com": false,
      "127.0.0.1:80": false,
      "127.0.0.1/x": false
    })
  })

  it("is listened on by an address that doesn't depend on how the system resolves localhost", () => {
    each(Address.listenHost, {
      localhost: "127.0.0.1",
      "users.localhost.": "127.0.0.1",
      "127.1": "127.0.0.1",
      "[::1]": "::1",
      "0.0.0.0": "0.0.0.0",
      "Example.com": "example.com"
    })
  })

  it("is reached by this machine, and is in a URL, as the URL standard has it", () => {
    const url = (host: string) => Address.urlOf({ host, port: 1 })
    each(url, {
      localhost: "http://localhost:1",
      "0.0.0.0": "http://127.0.0.1:1",
      "": "http://127.0.0.1:1",
      "::": "http://[::1]:1",
      "::1": "http://[::1]:1",
      "[::1]": "http://[::1]:1",
      "127.1": "http://127.0.0.1:1"
    })
    assert.strictEqual(Address.urlOf({ port: 9000 }), "http://127.0.0.1:9000")
  })
})

describe("A URL", () => {
  const leading = (host: string) => (url: string) => Address.leadsTo(url, { host, port: 9000 })

  it("leads to a server at a loopback address by every name of this machine's, and only at its port", () => {
    const expected = {
      "http://127.0.0.1:9000": true,
      "http://127.1:9000/api": true,
      "http://localhost:9000": true,
      "http://users.localhost.:9000": true,
      "http://[::1]:9000": true,
      "http://[::ffff:127.0.0.1]:9000": true,
      "http://0.0.0.0:9000": true,
      "http://127.0.0.1:9001": false,
      "http://127.0.0.1": false,
      "http://127.0.0.2:9000": false,
      "http://10.0.0.1:9000": false,
      "http://example.com:9000": false,
      // It speaks no TLS, so that nothing comes back.
      "https://127.0.0.1:9000": false
    }
    for (const host of ["127.0.0.1", "::1", "LocalHost"]) each(leading(host), expected)
    assert.isTrue(Address.leadsTo("http://localhost", { host: "127.0.0.1", port: 80 }))
  })

  it("leads to a server at all addresses by any of this machine's", () => {
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    for (const host of ["0.0.0.0", "::", ""]) {
      for (const { address, family } of own) {
        assert.isTrue(leading(host)(`http://${family === "IPv6" ? `[${address}]` : address}:9000`), address)
      }
      each(leading(host), {
        "http://127.0.0.2:9000": true,
        "http://localhost:9000": true,
        [`http://${hostname()}:9000`]: true,
        "http://192.0.2.1:9000": false
      })
    }
  })

  it("leads to a server at one other address by that alone", () => {
    each(leading("192.0.2.1"), { "http://192.0.2.1:9000": true, "http://127.0.0.1:9000": false })
  })
})
