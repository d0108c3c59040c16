import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Stream from "effect/Stream"
import { IPCServer } from "effect-ipc/promise"
import { assert, describe, it, onTestFinished } from "vitest"
import { askJson, event, post, serve, thrown } from "./support.js"

describe("interceptHttp", () => {
  it("gives the handler the body, the path's parameters and the headers, and sends its value as JSON", async () => {
    const server = await serve()
    server.interceptHttp("POST", "/users/:id", async (body, pathParams, headers) => ({
      body,
      pathParams: { ...pathParams },
      header: headers["x-name"]
    }))
    assert.deepStrictEqual(
      await askJson(`${server.getUrl()}/users/7?x=1`, {
        method: "POST",
        body: '{"a":[1]}',
        headers: { "content-type": "application/json", "X-Name": "Ada" }
      }),
      { status: 200, json: { body: { a: [1] }, pathParams: { id: "7" }, header: "Ada" } }
    )
  })

  it("parses JSON whatever the content type says, and gives the rest as text", async () => {
    const server = await serve()
    server.interceptHttp("POST", "/echo", (body) => ({ type: typeof body, body }))
    const url = `${server.getUrl()}/echo`
    const bytes = (text: string) => new TextEncoder().encode(text)
    for (const [contentType, sent, body] of [
      ["application/json", '{"a":1}', { a: 1 }],
      ["application/json; charset=utf-8", '"a string"', "a string"],
      ["application/json", '"123"', "123"],
      ["application/problem+json", "null", null],
      ["text/plain", '{"a":1}', { a: 1 }],
      ["application/x-www-form-urlencoded", "[1,2]", [1, 2]],
      ["application/octet-stream", bytes('{"ä":"ö"}'), { ä: "ö" }],
      ["application/octet-stream", bytes("\ufeff true"), true],
      ["text/plain", "a=1", "a=1"],
      ["application/x-www-form-urlencoded", "a=1&b=2", "a=1&b=2"],
      ["application/octet-stream", bytes("plain wörds"), "plain wörds"],
      ["text/plain; charset=iso-8859-1", new Uint8Array([0x77, 0xf6, 0x72, 0x64]), "wörd"]
    ] as const) {
      const { json } = await post(url, sent as string, contentType)
      assert.deepStrictEqual(json, { type: typeof body, body }, `${contentType} ${String(sent)}`)
    }
    assert.deepStrictEqual(await askJson(url, { method: "POST" }), { status: 200, json: { type: "undefined" } })
  })

  it("pollutes no prototype", async () => {
    const server = await serve()
    const seen = event<unknown>()
    server.interceptHttp("POST", "/", (body) => seen.fire(body))
    await fetch(server.getUrl(), { method: "POST", body: '{"__proto__":{"polluted":true}}' })
    const body = await seen.fired
    assert.isTrue(Object.hasOwn(body as object, "__proto__"))
    assert.notProperty({}, "polluted")
  })

  it("answers an empty 200 for nothing, and sends a platform response as it is", async () => {
    const server = await serve()
    server.interceptHttp("GET", "/nothing", async () => {})
    server.interceptHttp("GET", "/null", () => null)
    server.interceptHttp("GET", "/teapot", async () => HttpServerResponse.text("short and stout", { status: 418 }))
    server.interceptHttp("GET", "/stream", () =>
      HttpServerResponse.stream(Stream.make(new TextEncoder().encode("piece")), { headers: { "x-kind": "stream" } })
    )
    const nothing = await fetch(`${server.getUrl()}/nothing`)
    assert.deepStrictEqual([nothing.status, await nothing.text()], [200, ""])
    assert.deepStrictEqual(await askJson(`${server.getUrl()}/null`), { status: 200, json: null })
    const teapot = await fetch(`${server.getUrl()}/teapot`)
    assert.deepStrictEqual([teapot.status, await teapot.text()], [418, "short and stout"])
    const stream = await fetch(`${server.getUrl()}/stream`)
    assert.deepStrictEqual([stream.headers.get("x-kind"), await stream.text()], ["stream", "piece"])
  })

  it("routes every method with ALL, and methods in any case", async () => {
    const server = await serve()
    server.interceptHttp("ALL", "/any/*", () => "all")
    server.interceptHttp("get", "/one", () => "get")
    for (const method of ["GET", "PUT", "DELETE"]) {
      assert.deepStrictEqual(await askJson(`${server.getUrl()}/any/x/y`, { method }), { status: 200, json: "all" })
    }
    assert.deepStrictEqual(await askJson(`${server.getUrl()}/one`), { status: 200, json: "get" })
    server.removeInterceptHttp("GET", "/one")
    assert.strictEqual((await fetch(`${server.getUrl()}/one`)).status, 404)
  })

  it("throws a conflict and an invalid route at once, whether the server runs or not", async () => {
    const server = new IPCServer()
    onTestFinished(() => server.teardown())
    server.interceptHttp("GET", "/users/:id", () => "the first")
    const refusals = () => {
      const conflict = thrown(() => server.interceptHttp("GET", "/users/:name", () => "the second"))
      assert.strictEqual(conflict._tag, "RouteConflict")
      assert.match(conflict.message, /^GET \/users\/:name is already routed\./)
      const invalid = thrown(() => server.interceptHttp("GET", "users", () => "never"))
      assert.strictEqual(invalid._tag, "InvalidRoute")
      assert.match(invalid.message, /^GET users can't be routed: .* Paths look like \/users\/:id or \/files\/\*\.$/)
    }
    refusals()
    assert.isTrue(await server.start())
    refusals()
    assert.deepStrictEqual(await askJson(`${server.getUrl()}/users/7`), { status: 200, json: "the first" })
    await server.teardown()
    refusals()
    assert.isTrue(await server.start())
    assert.deepStrictEqual(await askJson(`${server.getUrl()}/users/7`), { status: 200, json: "the first" })
  })

  it("holds routes over a teardown, but for those removed", async () => {
    const server = new IPCServer()
    onTestFinished(() => server.teardown())
    server.interceptHttp("GET", "/before", () => "before")
    server.interceptHttp("GET", "/gone", () => "gone")
    server.removeInterceptHttp("GET", "/gone")
    server.removeInterceptHttp("GET", "/never-was")
    const statuses = () =>
      Promise.all(
        ["/before", "/gone", "/during", "/between"].map(async (path) => (await fetch(server.getUrl() + path)).status)
      )
    await server.start()
    server.interceptHttp("GET", "/during", () => "during")
    assert.deepStrictEqual(await statuses(), [200, 404, 200, 404])
    await server.teardown()
    server.removeInterceptHttp("GET", "/before")
    server.interceptHttp("GET", "/between", () => "between")
    await server.start()
    assert.deepStrictEqual(await statuses(), [404, 404, 200, 200])
  })
})

describe("removeInterceptHttp", () => {
  it("may be called by the handler itself, which still answers", async () => {
    const server = await serve()
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    server.interceptHttp("GET", "/once", async () => {
      await turn()
      server.removeInterceptHttp("GET", "/once")
      await turn()
      return "once"
    })
    assert.deepStrictEqual(await askJson(`${server.getUrl()}/once`), { status: 200, json: "once" })
    assert.strictEqual((await fetch(`${server.getUrl()}/once`)).status, 404)
  })

  it("makes room for another handler of the route, while the removed one still answers", async () => {
    const server = await serve()
    const entered = event()
    const released = event<string>()
    server.interceptHttp("GET", "/slow", () => {
      entered.fire()
      return released.fired
    })
    const first = askJson(`${server.getUrl()}/slow`)
    await entered.fired
    server.removeInterceptHttp("GET", "/slow")
    server.interceptHttp("GET", "/slow", () => "the second")
    assert.deepStrictEqual(await askJson(`${server.getUrl()}/slow`), { status: 200, json: "the second" })
    released.fire("the first")
    assert.deepStrictEqual(await first, { status: 200, json: "the first" })
  })
})

describe("a handler in progress", () => {
  it("doesn't keep the teardown waiting, and its client is answered or cut off", async () => {
    const server = await serve()
    const entered = event()
    server.interceptHttp("GET", "/never", () => {
      entered.fire()
      return new Promise(() => {})
    })
    const outcome = fetch(`${server.getUrl()}/never`).then(
      (response) => response.status,
      () => "cut off"
    )
    await entered.fired
    await server.teardown()
    assert.include([503, "cut off"], await outcome)
  })

  it("may tear the server down and wait for it", async () => {
    const server = await serve()
    const torn = event()
    server.interceptHttp("GET", "/stop", async () => {
      await server.teardown()
      torn.fire()
    })
    const outcome = fetch(`${server.getUrl()}/stop`).catch(() => {})
    await torn.fired
    await outcome
  })
})

describe("setRouteProxyResolver", () => {
  const upstream = async (name: string) => {
    const server = http.createServer((request, response) => response.end(JSON.stringify(`${name} ${request.url}`)))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  it("sends on what no route takes, by the resolver set last, before a start and after", async () => {
    const one = await upstream("one")
    const two = await upstream("two")
    const server = new IPCServer()
    onTestFinished(() => server.teardown())
    const ask = (path: string) => askJson(server.getUrl() + path)
    server.interceptHttp("GET", "/own", () => "own")
    server.setRouteProxyResolver((path) => (path.startsWith("/users") ? one : undefined))
    await server.start()
    assert.deepStrictEqual(await ask("/users/7?x=1"), { status: 200, json: "one /users/7?x=1" })
    assert.deepStrictEqual(await ask("/own"), { status: 200, json: "own" })
    assert.strictEqual((await ask("/other")).status, 404)
    server.setRouteProxyResolver(() => two)
    assert.deepStrictEqual(await ask("/other"), { status: 200, json: "two /other" })
    await server.teardown()
    await server.start()
    assert.deepStrictEqual(await ask("/other"), { status: 200, json: "two /other" })
  })

  it("may be set on a running server for the first time", async () => {
    const one = await upstream("one")
    const server = await serve()
    assert.deepStrictEqual(await askJson(`${server.getUrl()}/x`), {
      status: 404,
      json: { error: "No route for GET /x. No route matches, and no proxy resolver is set." }
    })
    server.setRouteProxyResolver(() => one)
    assert.deepStrictEqual(await askJson(`${server.getUrl()}/x`), { status: 200, json: "one /x" })
  })

  it("names the upstream that is down", async () => {
    const server = await serve()
    server.setRouteProxyResolver(() => "http://127.0.0.1:1")
    const { json, status } = await askJson(`${server.getUrl()}/x`)
    assert.strictEqual(status, 502)
    assert.include(JSON.stringify(json), "http://127.0.0.1:1")
    assert.include(JSON.stringify(json), "ECONNREFUSED")
  })
})
