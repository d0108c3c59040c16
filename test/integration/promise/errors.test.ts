/**
 * Each typed failure as it reaches a caller of the facade: its tag, and the message that says what to do.
 */
import * as http from "node:http"
import * as Schema from "effect/Schema"
import * as errors from "effect-ipc/promise"
import { IPCClient, IPCServer } from "effect-ipc/promise"
import { assert, describe, expect, it, onTestFinished } from "vitest"
import { Double, Find, Greet, Hang, Stall } from "./requests.js"
import { clientOf, connect, event, post, rejection, relayTo, serve } from "./support.js"

const expectRejection = async (promise: Promise<unknown>, tag: string, message: string) => {
  const error = await rejection(promise)
  assert.deepStrictEqual({ tag: error._tag, message: error.message }, { tag, message })
  assert.isString(error.stack)
  return error
}

describe("connecting", () => {
  it("port in use: start resolves with false", async () => {
    const holder = await serve()
    assert.isFalse(await new IPCServer(holder.getPort()).start())
  })

  it("refused connection", async () => {
    const error = await expectRejection(
      clientOf(1).connect(),
      "ConnectFailed",
      "Could not connect to http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1. Is the server running, and is the port right?"
    )
    assert.instanceOf(error, errors.ConnectFailed)
    assert.strictEqual(error.reason, "Refused")
  })

  it("an address that isn't one", async () => {
    await expectRejection(
      clientOf("9000").connect(),
      "ConnectFailed",
      "Could not connect to 9000: it isn't a URL. Pass a port as a number, or a URL like http://127.0.0.1:9000."
    )
  })

  it("wrong token, and none", async () => {
    const server = await serve({ token: "a secret of the tests" })
    for (const [options, said] of [
      [{ token: "a guess at the token" }, "The token is not this server's."],
      [{}, "This server asks for a token: send it as Authorization: Bearer …"]
    ] as const) {
      const error = await rejection(clientOf(server.getPort(), options).connect())
      assert.instanceOf(error, errors.ConnectFailed)
      assert.deepStrictEqual([error._tag, error.reason, error.status], ["ConnectFailed", "Rejected", 401])
      assert.isTrue(
        error.message.startsWith(`Could not connect to ${server.getUrl()}: the server answered 401 Unauthorized`)
      )
      assert.include(error.message, said)
      assert.isTrue(error.message.endsWith("Pass the server's token as { token } (layerConfig reads IPC_TOKEN)."))
    }
    const client = clientOf(server.getPort(), { token: "a secret of the tests" })
    await client.connect()
    assert.isTrue(client.isConnected())
  })

  it("a server that doesn't speak IPC", async () => {
    const server = http.createServer((_, response) => response.writeHead(404).end("nothing here"))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => {
      server.close()
    })
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    await expectRejection(
      clientOf(url).connect(),
      "ConnectFailed",
      `Could not connect to ${url}: the server answered 404 Not Found: nothing here. What holds the port isn't effect-ipc, or serves another { path }. Stop it, or choose another port.`
    )
  })

  it("no answer within the limit", async () => {
    const server = http.createServer()
    server.on("upgrade", () => {})
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => {
      server.close()
    })
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    await expectRejection(
      clientOf(url, { connectTimeout: 30 }).connect(),
      "ConnectFailed",
      `Could not connect to ${url}: no answer within 30ms. What holds the port doesn't answer: is it effect-ipc? Stop it, or choose another port.`
    )
  })
})

describe("requests", () => {
  it("unknown runtimeId", async () => {
    const server = await serve()
    const missing = server.sendFrameworkMessage("worker-2", Double, 1)
    await expectRejection(
      missing,
      "ClientNotConnected",
      'No client with runtimeId "worker-2" is connected (no client is connected). Wait until it connects, or check the name.'
    )
    await connect(server, "worker-1")
    await expectRejection(
      server.sendFrameworkMessage("worker-2", Double, 1),
      "ClientNotConnected",
      'No client with runtimeId "worker-2" is connected (connected: worker-1). Wait until it connects, or check the name.'
    )
  })

  it("no handler, at either end", async () => {
    const server = await serve()
    const client = await connect(server, "worker")
    await expectRejection(
      client.sendFrameworkRequest(Greet, { name: "Ada" }),
      "NoHandler",
      `${server.getUrl()} has no handler for request "greet". Register one there before the request is made.`
    )
    await expectRejection(
      server.sendFrameworkMessage("worker", Double, 1),
      "NoHandler",
      'worker has no handler for request "double". Register one there before the request is made.'
    )
  })

  it("timeout, at either end", async () => {
    const server = await serve()
    server.onFrameworkMessage(Hang, () => new Promise(() => {}))
    const client = await connect(server, "worker")
    client.onFrameworkRequest(Stall, () => new Promise(() => {}))
    await expectRejection(
      client.sendFrameworkRequest(Hang, undefined, 20),
      "RequestTimeout",
      `Request "hang" to ${server.getUrl()} had no answer within 20 ms. If it may take longer, give it a longer timeout.`
    )
    await expectRejection(
      server.sendFrameworkMessage("worker", Stall, undefined, 20),
      "RequestTimeout",
      'Request "stall" to worker had no answer within 20 ms. If it may take longer, give it a longer timeout.'
    )
  })

  it("timeout by the options where the call says none", async () => {
    const server = await serve({ requestTimeout: 20 })
    const client = await connect(server, "worker", { requestTimeout: 20 })
    client.onFrameworkRequest(Stall, () => new Promise(() => {}))
    server.onFrameworkMessage(Hang, () => new Promise(() => {}))
    assert.include((await rejection(client.sendFrameworkRequest(Hang))).message, "within 20 ms")
    assert.include((await rejection(server.sendFrameworkMessage("worker", Stall))).message, "within 20 ms")
  })

  it("lost connection, at either end", async () => {
    const server = await serve()
    const relay = await relayTo(server.getPort())
    const called = event()
    const asked = event()
    server.onFrameworkMessage(Hang, () => {
      called.fire()
      return new Promise(() => {})
    })
    const client = clientOf(relay.port)
    client.onFrameworkRequest(Stall, () => {
      asked.fire()
      return new Promise(() => {})
    })
    await client.connect("worker")
    const fromClient = rejection(client.sendFrameworkRequest(Hang))
    const fromServer = rejection(server.sendFrameworkMessage("worker", Stall))
    await Promise.all([called.fired, asked.fired])
    relay.cut()
    for (const [error, target, request] of [
      [await fromClient, `http://127.0.0.1:${relay.port}`, "hang"],
      [await fromServer, "worker", "stall"]
    ] as const) {
      assert.strictEqual(error._tag, "ConnectionClosed")
      assert.match(
        error.message,
        new RegExp(`^The connection to ${target} closed \\(code 1006.*\\) before request "${request}" was answered\\.`)
      )
    }
  })

  it("a connection closed by teardown or disconnect, with requests in flight both ways", async () => {
    const server = await serve()
    const client = await connect(server, "worker", { reconnect: false })
    const called = event()
    const asked = event()
    server.onFrameworkMessage(Hang, () => {
      called.fire()
      return new Promise(() => {})
    })
    client.onFrameworkRequest(Stall, () => {
      asked.fire()
      return new Promise(() => {})
    })
    const fromClient = rejection(client.sendFrameworkRequest(Hang))
    const fromServer = rejection(server.sendFrameworkMessage("worker", Stall))
    await Promise.all([called.fired, asked.fired])
    await server.teardown()
    assert.strictEqual((await fromClient)._tag, "ConnectionClosed")
    assert.include((await fromClient).message, "(code 1001: the server closes)")
    assert.strictEqual((await fromServer)._tag, "ConnectionClosed")
    assert.include((await fromServer).message, "(code 1001: the server closes)")

    await server.start()
    const other = await connect(server, "other")
    const gone = rejection(other.sendFrameworkRequest(Hang))
    await other.disconnect()
    assert.include((await gone).message, "(code 1000: the client closed)")
  })

  it("undecodable payload: by the caller's Schema, by the peer's, and without JSON", async () => {
    const server = await serve()
    server.onFrameworkMessage(Find, () => assert.fail("the handler was called"))
    const client = await connect(server)
    const issue = '{ readonly id: number; readonly since: Date }\n└─ ["id"]\n   └─ Expected number, actual "x"'
    await expectRejection(
      client.sendFrameworkRequest(Find, { id: "x" as unknown as number, since: new Date(0) }),
      "InvalidPayload",
      `The payload of request "users/find" was not sent: ${issue}`
    )
    const Unchecked = IPCServer.defineRequest<unknown, unknown>("users/find")
    const refused = await rejection(
      client.sendFrameworkRequest(Unchecked, { id: "x", since: "1970-01-01T00:00:00.000Z" })
    )
    assert.strictEqual(refused._tag, "InvalidPayload")
    assert.include(refused.message, `The payload of request "users/find" was refused by ${server.getUrl()}: `)
    assert.include(refused.message, 'Expected number, actual "x"')
    const circular: { self?: unknown } = {}
    circular.self = circular
    const unprintable = await rejection(client.sendFrameworkRequest(Unchecked, circular))
    assert.strictEqual(unprintable._tag, "InvalidPayload")
    assert.match(unprintable.message, /^The payload of request "users\/find" was not sent: .*circular/)
  })

  it("throwing handler: an error, a tagged one, a string, a rejection", async () => {
    const server = await serve()
    const client = await connect(server, "worker")
    const Fail = IPCServer.defineRequest<number, void>("fail")
    const failures: Array<() => never | Promise<never>> = [
      () => {
        throw new TypeError("users is undefined")
      },
      () => {
        throw Object.assign(new Error("no more users"), { _tag: "OutOfUsers" })
      },
      () => {
        throw "just words"
      },
      () => Promise.reject(new Error("rejected later"))
    ]
    server.onFrameworkMessage(Fail, (n) => failures[n]?.())
    const expected = ["users is undefined", "no more users", "just words", "rejected later"]
    for (const [n, message] of expected.entries()) {
      const error = await expectRejection(
        client.sendFrameworkRequest(Fail, n),
        "RequestFailed",
        `Request "fail" failed at ${server.getUrl()}: ${message}`
      )
      assert.instanceOf(error, errors.RequestFailed)
      assert.strictEqual(error.tag, n === 1 ? "OutOfUsers" : undefined)
    }
    client.onFrameworkRequest(Double, async () => {
      throw new Error("too tired")
    })
    await expectRejection(
      server.sendFrameworkMessage("worker", Double, 1),
      "RequestFailed",
      'Request "double" failed at worker: too tired'
    )
  })

  it("a request that can't be named, at its definition", () => {
    for (const define of [() => IPCServer.defineRequest("a:b"), () => IPCClient.defineRequest("a:b")]) {
      assert.throws(
        define,
        errors.InvalidRequestName,
        '"a:b" can\'t name a request: a name is not empty and has neither ":" nor control characters.'
      )
    }
  })
})

describe("a value that can't be looked at", () => {
  const trap = () => {
    throw new Error("the trap")
  }
  const trapped = new Proxy({}, { getPrototypeOf: trap, get: trap, has: trap, ownKeys: trap })
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()

  it("fails what it is the payload, the answer or an element of, and nothing else", async () => {
    const server = await serve()
    const Values = IPCServer.defineRequest<unknown, unknown>("values")
    const Elements = IPCServer.defineStream<void, unknown>("elements")
    for (const value of [trapped, revoked.proxy]) {
      server.onFrameworkMessage(Values, (): unknown => [value][0])
      server.onStream(Elements, async function* () {
        yield value
      })
      const client = await connect(server)
      assert.strictEqual((await rejection(client.sendFrameworkRequest(Values, value)))._tag, "InvalidPayload")
      assert.strictEqual((await rejection(client.sendFrameworkRequest(Values, 1)))._tag, "RequestFailed")
      assert.strictEqual(
        (await rejection(client.openStream(Elements)[Symbol.asyncIterator]().next()))._tag,
        "RequestFailed"
      )
      server.onFrameworkMessage(Values, async (payload) => payload)
      assert.strictEqual(await client.sendFrameworkRequest(Values, "still here"), "still here")
    }
  })
})

describe("HTTP", () => {
  it("bad JSON body", async () => {
    const server = await serve()
    server.interceptHttp("POST", "/users", () => assert.fail("the handler was called"))
    const { json, status } = await post(`${server.getUrl()}/users`, '{"name":', "application/json")
    assert.strictEqual(status, 400)
    assert.match((json as { error: string }).error, /^The body claims to be JSON and isn't: /)
  })

  it("too large a body", async () => {
    const server = await serve({ maxBodyBytes: 10 })
    server.interceptHttp("POST", "/users", () => assert.fail("the handler was called"))
    assert.deepStrictEqual(await post(`${server.getUrl()}/users`, "01234567890", "text/plain"), {
      status: 413,
      json: { error: "The body is over the limit of 10 bytes. Send less, or raise the server's { maxBodyBytes }." }
    })
  })

  it("throwing handler", async () => {
    const server = await serve()
    server.interceptHttp("GET", "/throws", () => {
      throw new Error("users is undefined")
    })
    server.interceptHttp("GET", "/rejects", async () => {
      throw new Error("users is late")
    })
    const ask = async (path: string) => {
      const response = await fetch(server.getUrl() + path)
      return [response.status, await response.json()]
    }
    assert.deepStrictEqual(await ask("/throws"), [500, { error: "users is undefined" }])
    assert.deepStrictEqual(await ask("/rejects"), [500, { error: "users is late" }])
  })
})

describe("plain JavaScript that passes something else is told at once", () => {
  const told = (call: () => unknown): Promise<string> =>
    Promise.resolve()
      .then(call)
      .then(
        () => assert.fail(`${call} is taken`),
        (error: Error) => error.message
      )

  it("where it defines, registers and asks", async () => {
    const server = new errors.IPCServer() as unknown as Record<string, (...args: ReadonlyArray<unknown>) => unknown>
    const client = new errors.IPCClient(1) as unknown as typeof server
    const gateway = new errors.Gateway(0) as unknown as typeof server
    const users = new errors.ServiceClient(new errors.Gateway(0), "users") as unknown as typeof server
    const define = errors.IPCServer.defineRequest as (...args: ReadonlyArray<unknown>) => unknown
    const defineStream = errors.IPCServer.defineStream as typeof define
    const none = undefined as never
    const calls: ReadonlyArray<() => unknown> = [
      () => define(),
      () => define("find", { pyload: Schema.String }),
      () => define("find", { payload: "string" }),
      () => define("find", 7),
      () => defineStream("all", { payload: Schema.String }),
      () => defineStream(7),
      () => new errors.IPCServer("9000" as never),
      () => new errors.IPCServer({ port: 9000 } as never),
      () => new errors.IPCClient(none),
      () => new errors.IPCClient({ url: "http://127.0.0.1:9000" } as never),
      () => new errors.IPCClient(0),
      () => new errors.IPCClient(70_000),
      () => new errors.LocalDiscovery(-1),
      () => new errors.ServiceServer(none, "users"),
      () => new errors.ServiceClient(new errors.Gateway(0), none),
      () => new errors.ServiceServer({ host: () => {}, port: 1 } as never, "users"),
      () => new errors.ServiceClient(new errors.Gateway(0), "users", { timeout: 1 } as never),
      () => new errors.IPCClient(1, { tokenScheme: "bear", transport: "unx" } as never),
      () => new errors.LocalDiscovery(1, { heartbeat: "5 secnds" } as never),
      () => users.sendFrameworkRequest?.("find", 1, 200),
      () => users.sendFrameworkRequest?.("find", 1, { timeout: 200 }),
      () => client.sendFrameworkRequest?.("find", 1, { timeout: 500 }),
      () => server.onFrameworkMessage?.(),
      () => server.onFrameworkMessage?.("find"),
      () => server.sendFrameworkMessage?.(7, "find"),
      () => server.sendFrameworkMessage?.("worker", none),
      () => server.onStream?.("all"),
      () => server.onClientDisconnect?.(),
      () => server.interceptHttp?.(7, "/a", () => 1),
      () => server.interceptHttp?.("GET", "/a"),
      () => server.removeInterceptHttp?.("GET"),
      () => server.setRouteProxyResolver?.("http://127.0.0.1:4001"),
      () => client.onFrameworkRequest?.("find", {}),
      () => client.sendFrameworkRequest?.("find", 1, "1 second"),
      () => client.openStream?.(),
      () => client.onClose?.(),
      () => gateway.discover?.(),
      () => gateway.discover?.("users", "1 second"),
      () => gateway.instances?.(7),
      () => gateway.onChange?.()
    ]
    const messages: Array<string> = []
    for (const call of calls) messages.push(await told(call))
    expect(messages).toMatchInlineSnapshot(`
      [
        "defineRequest: its name is a string, not undefined.",
        "defineRequest: its Schemas have no "pyload". Did you mean "payload"? They take payload, success, failure.",
        "defineRequest: its payload is a Schema or IPCRequest.Bytes, not a string.",
        "defineRequest: its Schemas are an object of payload, success, failure, not a number.",
        "defineStream: its element is a Schema or IPCRequest.Bytes, not undefined.",
        "defineStream: its name is a string, not a number.",
        "new IPCServer: its port is a whole number from 0 to 65535, not "9000".",
        "new IPCServer: its port is a whole number from 0 to 65535, not an object: it comes before the options, new IPCServer(port, options).",
        "new IPCClient: its address is a port or a URL, not undefined.",
        "new IPCClient: its address is a port or a URL, not an object: it comes before the options, new IPCClient(address, options).",
        "new IPCClient: its port is a whole number from 1 to 65535, not 0.",
        "new IPCClient: its port is a whole number from 1 to 65535, not 70000.",
        "new LocalDiscovery: its port is a whole number from 0 to 65535, not -1.",
        "new ServiceServer: its discovery is a LocalDiscovery or a Gateway, not undefined.",
        "new ServiceClient: its api is a string, not undefined.",
        "new ServiceServer: its discovery is a LocalDiscovery or a Gateway, not an object. A test joins its gateway by new LocalDiscovery(gateway.port), a worker by new LocalDiscovery(Number(new URL(process.env.IPC_URL).port)).",
        "new ServiceClient(discovery, api, options): its options have no "timeout". They take requestTimeout, connectTimeout.",
        "new IPCClient(address, options): tokenScheme is "proof" or "bearer", not "bear".",
        "new LocalDiscovery(port, options): heartbeat is a duration, such as "20 millis" or a number of milliseconds, not "5 secnds".",
        "sendFrameworkRequest: its options are an object of timeoutMs, idempotent, not a number.",
        "sendFrameworkRequest: its options have no "timeout". Did you mean "timeoutMs"? They take timeoutMs, idempotent.",
        "sendFrameworkRequest: its timeout is a number of milliseconds, not an object.",
        "onFrameworkMessage: its request is what defineRequest("name") gives, not undefined.",
        "onFrameworkMessage: its handler is a function, not undefined.",
        "sendFrameworkMessage: its runtimeId is a string, not a number.",
        "sendFrameworkMessage: its request is what defineRequest("name") gives, not undefined.",
        "onStream: its stream is what defineStream("name") gives, not a string.",
        "onClientDisconnect: its callback is a function, not undefined.",
        "interceptHttp: its method is a string, not a number.",
        "interceptHttp: its handler is a function, not undefined.",
        "removeInterceptHttp: its path is a string, not undefined.",
        "setRouteProxyResolver: its resolver is a function, not a string.",
        "onFrameworkRequest: its handler is a function, not an object.",
        "sendFrameworkRequest: its timeout is a number of milliseconds, not "1 second".",
        "openStream: its stream is what defineStream("name") gives, not undefined.",
        "onClose: its callback is a function, not undefined.",
        "discover: its api is a string, not undefined.",
        "discover: its timeout is a number of milliseconds, not "1 second".",
        "instances: its api is a string, not a number.",
        "onChange: its callback is a function, not undefined.",
      ]
    `)
  })
})
