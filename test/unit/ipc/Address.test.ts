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
