import { IPCServer } from "effect-ipc/promise"
import { assert, describe, it, onTestFinished } from "vitest"
import * as Port from "../../support/Port.js"
import { Double, Find, Greet, Hang, Lookup, NotFound, WhoAmI } from "./requests.js"
import { clientOf, connect, event, rejection, serve, thrown } from "./support.js"

describe("start and teardown", () => {
  it("starts on any free port, and tells it", async () => {
    const server = new IPCServer()
    onTestFinished(() => server.teardown())
    assert.isTrue(await server.start())
    assert.isAbove(server.getPort(), 0)
    assert.strictEqual(server.getUrl(), `http://127.0.0.1:${server.getPort()}`)
  })

  it("starts once, however often it is asked to", async () => {
    const server = new IPCServer()
    onTestFinished(() => server.teardown())
    assert.deepStrictEqual(await Promise.all([server.start(), server.start()]), [true, true])
    const port = server.getPort()
    assert.isTrue(await server.start())
    assert.strictEqual(server.getPort(), port)
  })

  it("resolves with false where the port is in use, and starts once it is free", async () => {
    const holder = await serve()
    const server = new IPCServer(holder.getPort())
    onTestFinished(() => server.teardown())
    assert.isFalse(await server.start())
    assert.strictEqual(server.getPort(), holder.getPort())
    assert.strictEqual(
      thrown(() => server.getUrl()).message,
      `Another program holds 127.0.0.1:${holder.getPort()}, so this one doesn't listen there: start() resolved with false. Check what it resolves with.`
    )
    await holder.teardown()
    assert.isTrue(await server.start())
    assert.strictEqual(server.getUrl(), `http://127.0.0.1:${server.getPort()}`)
  })

  it("knows a given port before it starts, and no other", () => {
    assert.strictEqual(new IPCServer(9000).getPort(), 9000)
    assert.strictEqual(new IPCServer(9000, { host: "::1" }).getUrl(), "http://[::1]:9000")
    for (const call of ["getPort", "getUrl"] as const) {
      const error = thrown(() => new IPCServer()[call]())
      assert.strictEqual(error._tag, "ConnectionClosed")
      assert.strictEqual(error.message, "Any free port was asked for, so there is none yet. Await start() first.")
    }
  })

  it("may be torn down at any time, any number of times", async () => {
    const server = new IPCServer()
    await server.teardown()
    await server.start()
    await Promise.all([server.teardown(), server.teardown()])
    await server.teardown()
    assert.strictEqual(thrown(() => server.getPort())._tag, "ConnectionClosed")
  })

  it("rejects a start that a teardown overtook", async () => {
    const port = await Port.free()
    const server = new IPCServer(port)
    const starting = server.start()
    await server.teardown()
    const error = await rejection(starting)
    assert.strictEqual(error._tag, "ConnectionClosed")
    assert.strictEqual(error.message, "teardown() was called before the server had started.")
    const other = new IPCServer(port)
    onTestFinished(() => other.teardown())
    assert.isTrue(await other.start())
  })

  it("starts again on its port as soon as a teardown that is still going on has ended", async () => {
    const server = new IPCServer(await Port.free())
    onTestFinished(() => server.teardown())
    server.onFrameworkMessage(Greet, ({ name }) => `Hello, ${name}!`)
    const gone: Array<string | undefined> = []
    server.onClientDisconnect((_, runtimeId) => gone.push(runtimeId))
    await server.start()
    await connect(server, "before")
    const torn = server.teardown()
    assert.isTrue(await server.start())
    assert.deepStrictEqual(gone, ["before"])
    await torn
    const client = await connect(server)
    assert.strictEqual(await client.sendFrameworkRequest(Greet, { name: "Ada" }), "Hello, Ada!")
  })

  it("resolves a teardown only when those before it have ended too", async () => {
    const server = new IPCServer()
    const gone: Array<string | undefined> = []
    server.onClientDisconnect((_, runtimeId) => gone.push(runtimeId))
    await server.start()
    await connect(server, "before", { reconnect: false })
    server.teardown()
    server.start()
    await server.teardown()
    assert.deepStrictEqual(gone, ["before"])
  })

  it("rejects with the tagged error of any other failure", async () => {
    const beyond = await rejection(new IPCServer(0, { host: "0.0.0.0" }).start())
    assert.strictEqual(beyond._tag, "TokenRequired")
    assert.strictEqual(
      beyond.message,
      "Listening on 0.0.0.0 lets other machines connect. Pass { token } (layerConfig reads IPC_TOKEN), which clients then present, or { allowWithoutToken: true } if none is wanted."
    )
    const nowhere = await rejection(new IPCServer(0, { host: "192.0.2.1", token: "a secret of the tests" }).start())
    assert.strictEqual(nowhere._tag, "ListenFailed")
    assert.match(nowhere.message, /^Could not listen on 192\.0\.2\.1:0: .*\(EADDRNOTAVAIL\)\./)
  })

  it("is torn down by await using", async () => {
    let port: number
    {
      await using server = new IPCServer()
      await server.start()
      port = server.getPort()
    }
    const error = await rejection(clientOf(port).connect())
    assert.strictEqual(error._tag, "ConnectFailed")
  })
})

describe("onFrameworkMessage", () => {
  it("answers with what the handler promises or returns", async () => {
    const server = await serve()
    server.onFrameworkMessage(Greet, async ({ name }) => `Hello, ${name}!`)
    const client = await connect(server)
    assert.strictEqual(await client.sendFrameworkRequest(Greet, { name: "Ada" }), "Hello, Ada!")
    server.onFrameworkMessage(Greet, ({ name }) => `Hi, ${name}!`)
    assert.strictEqual(await client.sendFrameworkRequest(Greet, { name: "Ada" }), "Hi, Ada!")
  })

  it("tells the handler who calls", async () => {
    const server = await serve()
    server.onFrameworkMessage(WhoAmI, async (_, caller) => caller)
    const named = await (await connect(server, "worker-1")).sendFrameworkRequest(WhoAmI)
    assert.strictEqual(named.runtimeId, "worker-1")
    const nameless = await (await connect(server)).sendFrameworkRequest(WhoAmI)
    assert.isUndefined(nameless.runtimeId)
    assert.notStrictEqual(nameless.clientId, named.clientId)
  })

  it("decodes and encodes by Schemas, and lets a declared failure cross as itself", async () => {
    const server = await serve()
    server.onFrameworkMessage(Find, async ({ id, since }) => {
      if (id === 404) throw new NotFound({ id })
      return { name: `user ${id}`, born: new Date(since.getTime() + 1) }
    })
    const client = await connect(server)
    assert.deepStrictEqual(await client.sendFrameworkRequest(Find, { id: 7, since: new Date(1) }), {
      name: "user 7",
      born: new Date(2)
    })
    const error = await rejection(client.sendFrameworkRequest(Find, { id: 404, since: new Date(1) }))
    assert.instanceOf(error, NotFound)
    assert.deepStrictEqual({ id: error.id, message: error.message }, { id: 404, message: "there is no 404" })
  })

  it("holds from before the start over every later start, the newest alone", async () => {
    const server = new IPCServer()
    onTestFinished(() => server.teardown())
    server.onFrameworkMessage(Greet, () => "the first")
    server.onFrameworkMessage(Greet, () => "the second")
    for (let run = 0; run < 3; run++) {
      await server.start()
      const client = await connect(server)
      assert.strictEqual(await client.sendFrameworkRequest(Greet, { name: "Ada" }), "the second")
      await client.disconnect()
      await server.teardown()
    }
  })
})

describe("sendFrameworkMessage", () => {
  it("asks the client of that runtimeId", async () => {
    const server = await serve()
    for (const [runtimeId, factor] of [
      ["two", 2],
      ["three", 3]
    ] as const) {
      const client = await connect(server, runtimeId)
      client.onFrameworkRequest(Double, async (n) => n * factor)
    }
    assert.strictEqual(await server.sendFrameworkMessage("two", Double, 7), 14)
    assert.strictEqual(await server.sendFrameworkMessage("three", Double, 7, 1000), 21)
  })

  it("rejects with a client's typed failure", async () => {
    const server = await serve()
    const client = await connect(server, "worker")
    client.onFrameworkRequest(Lookup, async (id) => {
      throw new NotFound({ id })
    })
    const error = await rejection(server.sendFrameworkMessage("worker", Lookup, 3))
    assert.instanceOf(error, NotFound)
    assert.strictEqual(error.id, 3)
  })

  it("rejects before the start and after the teardown, saying what to do", async () => {
    const server = new IPCServer()
    const expected =
      'No client with runtimeId "worker" is connected: the server isn\'t running. Await start() first, and again after teardown().'
    const before = await rejection(server.sendFrameworkMessage("worker", Double, 1))
    assert.deepStrictEqual([before._tag, before.message], ["ClientNotConnected", expected])
    await server.start()
    await server.teardown()
    const after = await rejection(server.sendFrameworkMessage("worker", Double, 1))
    assert.deepStrictEqual([after._tag, after.message], ["ClientNotConnected", expected])
  })
})

describe("onClientDisconnect", () => {
  it("is called once for each connection that ends, with its names", async () => {
    const server = await serve()
    server.onFrameworkMessage(WhoAmI, (_, caller) => caller)
    const seen: Array<unknown> = []
    const gone = event()
    server.onClientDisconnect((clientId, runtimeId) => {
      seen.push([clientId, runtimeId])
      if (seen.length === 2) gone.fire()
    })
    const named = await connect(server, "worker")
    const { clientId } = await named.sendFrameworkRequest(WhoAmI)
    const nameless = await connect(server)
    const { clientId: other } = await nameless.sendFrameworkRequest(WhoAmI)
    await named.disconnect()
    await nameless.disconnect()
    await gone.fired
    assert.deepStrictEqual(seen, [
      [clientId, "worker"],
      [other, undefined]
    ])
  })

  it("is called for the connections that the teardown ends, before it resolves, and not again", async () => {
    const server = await serve()
    const seen: Array<string | undefined> = []
    server.onClientDisconnect((_, runtimeId) => seen.push(runtimeId))
    await connect(server, "one", { reconnect: false })
    await connect(server, "two", { reconnect: false })
    await server.teardown()
    assert.sameMembers(seen, ["one", "two"])
    await server.start()
    await server.teardown()
    assert.lengthOf(seen, 2)
  })

  it("survives callbacks that throw and reject", async () => {
    const server = await serve()
    const gone = event<string | undefined>()
    server.onClientDisconnect(() => {
      throw new Error("a callback that throws")
    })
    server.onClientDisconnect(async () => {
      throw new Error("a callback that rejects")
    })
    server.onClientDisconnect((_, runtimeId) => gone.fire(runtimeId))
    await (await connect(server, "worker")).disconnect()
    assert.strictEqual(await gone.fired, "worker")
  })

  it("may tear the server down itself, and wait for it", async () => {
    const server = await serve()
    const done = event()
    server.onClientDisconnect(async () => {
      await server.teardown()
      done.fire()
    })
    await (await connect(server)).disconnect()
    await done.fired
  })
})

describe("a handler", () => {
  it("may tear the server down while it answers", async () => {
    const server = await serve()
    const torn = event()
    server.onFrameworkMessage(Hang, async () => {
      await server.teardown()
      torn.fire()
    })
    const client = await connect(server, undefined, { reconnect: false })
    const error = await rejection(client.sendFrameworkRequest(Hang))
    assert.strictEqual(error._tag, "ConnectionClosed")
    await torn.fired
  })
})
