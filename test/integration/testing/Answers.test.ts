/** What a mock may answer, forward, pass on and repeat. */
import * as nodeHttp from "node:http"
import type { AddressInfo } from "node:net"
import * as Duration from "effect/Duration"
import { Intercept, TestGateway } from "effect-ipc/testing"
import { assert, describe, it, onTestFinished } from "vitest"
import { event } from "../promise/support.js"

const start = async () => {
  const gateway = await TestGateway.start()
  onTestFinished(() => gateway.close())
  return gateway
}

/** A real service that says in JSON what it was asked. */
const echo = async (gateway: TestGateway.TestGateway) => {
  const server = nodeHttp.createServer(async (request, response) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { headers, method, url } = request
    response.writeHead(201, { "content-type": "application/json", "x-real": "1", "set-cookie": ["a=1", "b=2"] })
    response.end(
      JSON.stringify({
        method,
        url,
        body: Buffer.concat(chunks).toString(),
        a: headers["x-a"],
        host: headers.host,
        marks: Object.keys(headers).filter((name) => name.includes("effect-ipc-forwarded"))
      })
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  await gateway.register([{ api: "real", baseUrl: `http://127.0.0.1:${port}`, pathPrefix: "/real" }])
}

const ask = async (url: string, init?: RequestInit): Promise<string> => {
  const response = await fetch(url, init)
  return `${response.status} ${await response.text()}`
}

describe("a mock's handler", () => {
  it("forwards a request, changed, and answers with the response, changed", async () => {
    const gateway = await start()
    await echo(gateway)
    const url = `${gateway.url}/real/7?page=2`
    const beneath = await gateway.spy(Intercept.any({ api: "real" }))
    const mock = await gateway.mock(Intercept.any({ path: "/real/:id" }), async ({ body, forward }) => {
      const response = await forward({
        headers: { "x-a": "changed" },
        ...(body === undefined ? {} : { body: { more: body } })
      })
      const answer = (await response.json()) as object
      return Response.json(
        { ...answer, by: "mock" },
        { status: response.status, headers: { "x-real": response.headers.get("x-real") ?? "" } }
      )
    })
    const above = await gateway.spy(Intercept.any())
    const posted = await fetch(url, {
      method: "POST",
      body: '{"a":1}',
      headers: { "content-type": "application/json" }
    })
    assert.deepStrictEqual(
      [posted.status, posted.headers.get("x-real"), await posted.json()],
      [
        201,
        "1",
        {
          method: "POST",
          url: "/real/7?page=2",
          body: '{"more":{"a":1}}',
          a: "changed",
          host: `127.0.0.1:${gateway.port}`,
          marks: [],
          by: "mock"
        }
      ]
    )
    assert.match(await ask(url), /^201 {"method":"GET","url":"\/real\/7\?page=2","body":"".*"by":"mock"}$/)
    // Each sees the request once: the mock and the spy above it as it came, the one beneath as it was forwarded.
    assert.deepStrictEqual(
      [beneath, mock, above].map((one) => one.calls().map(({ request }) => [request.method, request.headers["x-a"]])),
      [
        [
          ["POST", "changed"],
          ["GET", "changed"]
        ],
        [
          ["POST", undefined],
          ["GET", undefined]
        ],
        [
          ["POST", undefined],
          ["GET", undefined]
        ]
      ]
    )
  })

  it("may answer with the forwarded response's headers and another body, or change the headers", async () => {
    const gateway = await start()
    await echo(gateway)
    await gateway.mock(Intercept.get("/real/body"), async ({ forward }) => {
      const response = await forward()
      return new Response(
        JSON.stringify({ ...((await response.json()) as object), by: "a mock of another length" }),
        response
      )
    })
    await gateway.mock(Intercept.get("/real/headers"), async ({ forward }) => {
      const response = await forward()
      response.headers.set("x-real", "changed")
      return response
    })
    const { by } = (await (await fetch(`${gateway.url}/real/body`)).json()) as { readonly by: string }
    const { headers } = await fetch(`${gateway.url}/real/headers`)
    assert.deepStrictEqual([by, headers.get("x-real")], ["a mock of another length", "changed"])
  })

  it("forwards another body without what the request's headers say of its own", async () => {
    const gateway = await start()
    await echo(gateway)
    const beneath = await gateway.spy(Intercept.any({ api: "real" }))
    await gateway.mock(Intercept.post("/real/form"), ({ forward }) => forward({ body: { a: 1 } }))
    const body = new URLSearchParams({ a: "0" })
    await ask(`${gateway.url}/real/form`, { method: "POST", body, headers: { "content-encoding": "identity" } })
    assert.deepStrictEqual(
      beneath.calls().map(({ request: { headers } }) => [headers["content-type"], headers["content-encoding"]]),
      [["application/json", undefined]]
    )
  })

  it("answers with the forwarded response as it is, of the mock beneath too", async () => {
    const gateway = await start()
    await gateway.mock(
      Intercept.get("/a"),
      async () =>
        new Response("beneath", {
          headers: [
            ["set-cookie", "a=1"],
            ["set-cookie", "b=2"]
          ]
        })
    )
    await gateway.mock(Intercept.get("/a"), ({ forward }) => forward())
    await gateway.mock(Intercept.get("/b"), ({ forward }) => forward({ path: "/a" }))
    const response = await fetch(`${gateway.url}/b`)
    assert.deepStrictEqual([await response.text(), response.headers.getSetCookie()], ["beneath", ["a=1", "b=2"]])
    await gateway.mock(Intercept.get("/gone"), ({ forward }) => forward())
    assert.match(await ask(`${gateway.url}/gone`), /^404 {"error":"No route for GET \/gone\./)
  })

  it("passes on what it doesn't want, body and all, which isn't counted", async () => {
    const gateway = await start()
    await echo(gateway)
    const http = await gateway.strict()
    const odd = await http.mock(
      Intercept.post("/real"),
      async ({ body }) => (body === "odd" ? { mine: true } : Intercept.pass),
      { ...Intercept.once, cors: true }
    )
    const post = (body: string) => ask(`${gateway.url}/real`, { method: "POST", body })
    assert.match(await post("even"), /^201 .*"body":"even"/)
    assert.deepStrictEqual(odd.calls(), [])
    assert.strictEqual(await post("odd"), '200 {"mine":true}')
    assert.match(await post("odd"), /^201 .*"body":"odd"/)
    assert.strictEqual(odd.calls().length, 1)
    await http.close()
  })

  it("is one after the other of a sequence, the last one again and again", async () => {
    const gateway = await start()
    await gateway.mock(
      Intercept.get("/a/:id"),
      Intercept.sequence(Intercept.status(503), async ({ params }) => ({ id: params.id }), Intercept.text("last"))
    )
    const answers: Array<string> = []
    for (let call = 0; call < 4; call++) answers.push(await ask(`${gateway.url}/a/7`))
    assert.deepStrictEqual(answers, ["503 ", '200 {"id":"7"}', "200 last", "200 last"])
  })

  it("answers with bytes, files, events, after a while, or never", async () => {
    const gateway = await start()
    await gateway.mock(Intercept.get("/bytes"), Intercept.bytes(new Uint8Array([104, 105])))
    await gateway.mock(
      Intercept.get("/file"),
      Intercept.file(new URL("./requests.ts", import.meta.url), { status: 203 })
    )
    await gateway.mock(Intercept.get("/none"), Intercept.file("/no/such/file"))
    await gateway.mock(
      Intercept.get("/events"),
      Intercept.sse(["a\nb", { event: "made", id: "7", retry: 10, data: { id: 7 } }, { id: 8, more: true }], {
        interval: 5
      })
    )
    const slow = await gateway.mock(Intercept.get("/slow"), () => "slow", { delay: "30 millis" })
    const arrived = event()
    await gateway.spy(Intercept.get("/never"))
    const never = await gateway.mock(
      Intercept.get("/never"),
      Intercept.sequence(() => {
        arrived.fire()
        return Intercept.never({} as never)
      })
    )

    const bytes = await fetch(`${gateway.url}/bytes`)
    assert.deepStrictEqual([bytes.headers.get("content-type"), await bytes.text()], ["application/octet-stream", "hi"])
    const file = await fetch(`${gateway.url}/file`)
    assert.deepStrictEqual([file.status, (await file.text()).includes("export const SetLimit")], [203, true])
    assert.match(await ask(`${gateway.url}/none`), /^500 .*no such file/i)
    const events = await fetch(`${gateway.url}/events`)
    assert.deepStrictEqual(
      [events.headers.get("content-type"), await events.text()],
      [
        "text/event-stream",
        'data: a\ndata: b\n\nevent: made\nid: 7\nretry: 10\ndata: {"id":7}\n\ndata: {"id":8,"more":true}\n\n'
      ]
    )
    assert.strictEqual(await ask(`${gateway.url}/slow`), '200 "slow"')
    assert.isAtLeast(Duration.toMillis((await slow.awaitCall(1)).duration), 29)
    const waiting = ask(`${gateway.url}/never`)
    await arrived.fired
    await never.close()
    assert.match(await waiting, /^503 /)
  })
})

describe("awaiting a call", () => {
  it("or a request, of the gateway as well, which keeps them in order of arrival", async () => {
    const gateway = await start()
    await gateway.mock(Intercept.get("/a/:id"), Intercept.never)
    await gateway.mock(Intercept.post("/b"), () => 1)
    const waiting = fetch(`${gateway.url}/a/7`).catch(() => {})
    assert.deepStrictEqual((await gateway.awaitRequest(Intercept.get("/a/:id"))).params, { id: "7" })
    await ask(`${gateway.url}/b`, { method: "POST", body: "text" })
    await ask(`${gateway.url}/c`)
    assert.deepStrictEqual(
      gateway.calls().map(({ request }) => request.path),
      ["/b", "/c"]
    )
    assert.deepStrictEqual(gateway.calls(Intercept.any({ body: "text" })).length, 1)
    assert.throws(
      () => gateway.calls({ querry: {} } as never),
      'a request matcher has no "querry". Did you mean "query"?'
    )
    const missed = await gateway.awaitRequest(Intercept.get("/d"), { timeout: 20 }).catch((error: Error) => error)
    assert.match(
      String(missed),
      /No request for GET \/d arrived within 20ms\.\nWhat has arrived:\n {2}- GET \/a\/7, not answered/
    )
    await gateway.close()
    await waiting
  })

  it("ends with the timeout, in real time, and says what was recorded", async () => {
    const gateway = await start()
    const mock = await gateway.mock(Intercept.get("/a"), () => 1)
    await ask(`${gateway.url}/a`)
    const error = await mock.awaitCall(2, { timeout: 20 }).catch((error: Error) => error)
    assert.strictEqual(
      (error as Error).message,
      "The mock GET /a recorded only 1 within 20ms; number 2 was awaited.\nWhat has arrived:\n  - GET /a, answered 200: it matches"
    )
  })
})
