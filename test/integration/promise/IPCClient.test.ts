import * as net from "node:net"
import { IPCClient } from "effect-ipc/promise"
import { assert, describe, it, onTestFinished } from "vitest"
import { WebSocketServer } from "ws"
import * as Port from "../../support/Port.js"
import { Double, Greet, WhoAmI } from "./requests.js"
import { clientOf, connect, event, rejection, relayTo, serve } from "./support.js"

const greeting = async () => {
  const server = await serve()
  server.onFrameworkMessage(Greet, async ({ name }) => `Hello, ${name}!`)
  return server
}

describe("connect and disconnect", () => {
  it("connects by port and by address", async () => {
    const server = await greeting()
    for (const address of [server.getPort(), server.getUrl(), server.getUrl().replace("http:", "ws:")]) {
      const client = clientOf(address)
      await client.connect()
      assert.strictEqual(await client.sendFrameworkRequest(Greet, { name: "Ada" }), "Hello, Ada!")
    }
  })

  it("connects under a name, given to connect or as an option", async () => {
    const server = await serve()
    server.onFrameworkMessage(WhoAmI, (_, caller) => caller)
    const given = await connect(server, "given", { runtimeId: "option" })
    assert.strictEqual((await given.sendFrameworkRequest(WhoAmI)).runtimeId, "given")
    const optional = await connect(server, undefined, { runtimeId: "option" })
    assert.strictEqual((await optional.sendFrameworkRequest(WhoAmI)).runtimeId, "option")
  })

  it("connects once under one name, and anew under another", async () => {
    const server = await serve()
    server.onFrameworkMessage(WhoAmI, (_, caller) => caller)
    const client = clientOf(server.getPort())
    await Promise.all([client.connect("one"), client.connect("one")])
    const first = await client.sendFrameworkRequest(WhoAmI)
    await client.connect("one")
    assert.deepStrictEqual(await client.sendFrameworkRequest(WhoAmI), first)
    let closed = 0
    client.onClose(() => closed++)
    await client.connect("two")
    assert.deepStrictEqual([client.isConnected(), closed], [true, 1])
    const second = await client.sendFrameworkRequest(WhoAmI)
    assert.strictEqual(second.runtimeId, "two")
    assert.notStrictEqual(second.clientId, first.clientId)
    assert.deepStrictEqual([client.isConnected(), closed], [true, 1])
  })

  it("connects again after disconnect, and after a refusal", async () => {
    const port = await Port.free()
    const client = clientOf(port)
    assert.strictEqual((await rejection(client.connect()))._tag, "ConnectFailed")
    const relay = net.createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => relay.listen(port, "127.0.0.1", resolve))
    assert.strictEqual((await rejection(client.connect()))._tag, "ConnectFailed")
    await new Promise((resolve) => relay.close(resolve))

    const server = await greeting()
    const other = clientOf(server.getPort())
    for (let run = 0; run < 3; run++) {
      await other.connect()
      assert.strictEqual(await other.sendFrameworkRequest(Greet, { name: "Ada" }), "Hello, Ada!")
      await other.disconnect()
    }
  })

  it("may be disconnected at any time, any number of times", async () => {
    const server = await greeting()
    const client = new IPCClient(server.getPort())
    await client.disconnect()
    await client.connect()
    await Promise.all([client.disconnect(), client.disconnect()])
    await client.disconnect()
    assert.isFalse(client.isConnected())
  })

  it("gives up an attempt that disconnect overtakes", async () => {
    const accepted = event()
    const silent = net.createServer(() => accepted.fire())
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => {
      silent.close()
    })
    const client = new IPCClient((silent.address() as net.AddressInfo).port)
    const connecting = client.connect()
    await accepted.fired
    await client.disconnect()
    const error = await rejection(connecting)
    assert.strictEqual(error._tag, "ConnectionClosed")
    assert.strictEqual(error.message, "disconnect() was called before the client had connected.")
  })

  it("is disconnected by await using", async () => {
    const server = await serve()
    const gone = event<string | undefined>()
    server.onClientDisconnect((_, runtimeId) => gone.fire(runtimeId))
    let left: IPCClient
    {
      await using client = new IPCClient(server.getPort())
      await client.connect("worker")
      left = client
      assert.isTrue(client.isConnected())
    }
    assert.isFalse(left.isConnected())
    assert.strictEqual(await gone.fired, "worker")
  })
})

describe("isConnected and onClose", () => {
  it("is connected from connect to disconnect, and no longer", async () => {
    const server = await serve()
    const client = clientOf(server.getPort())
    assert.isFalse(client.isConnected())
    const connecting = client.connect()
    assert.isFalse(client.isConnected())
    await connecting
    assert.isTrue(client.isConnected())
    const disconnecting = client.disconnect()
    assert.isFalse(client.isConnected())
    await disconnecting
    assert.isFalse(client.isConnected())
  })

  it("calls back once for a disconnect, before it resolves, and not for a client that never connected", async () => {
    const server = await serve()
    const client = clientOf(server.getPort())
    let closed = 0
    client.onClose(() => closed++)
    await client.disconnect()
    assert.strictEqual(closed, 0)
    await client.connect()
    await client.disconnect()
    assert.strictEqual(closed, 1)
  })

  it("calls back at each loss, and is connected again by itself", async () => {
    const server = await greeting()
    const relay = await relayTo(server.getPort())
    const client = clientOf(relay.port)
    let lost = event()
    let states: Array<boolean> = []
    client.onClose(() => {
      states.push(client.isConnected())
      lost.fire()
    })
    await client.connect()
    for (let loss = 0; loss < 3; loss++) {
      lost = event()
      relay.cut()
      await lost.fired
      assert.strictEqual(await client.sendFrameworkRequest(Greet, { name: "Ada" }), "Hello, Ada!")
      assert.isTrue(client.isConnected())
    }
    assert.deepStrictEqual(states, [false, false, false])
    states = []
    lost = event()
    await server.teardown()
    await lost.fired
    assert.deepStrictEqual(states, [false])
  })

  it("a callback may connect again where the client has given up", async () => {
    const server = await serve()
    server.onFrameworkMessage(WhoAmI, (_, caller) => caller)
    const older = clientOf(server.getPort())
    const again = new Promise<void>((resolve, reject) => {
      let isFirst = true
      older.onClose(() => {
        if (isFirst) older.connect("same").then(resolve, reject)
        isFirst = false
      })
    })
    await older.connect("same")
    await connect(server, "same")
    await again
    assert.strictEqual((await older.sendFrameworkRequest(WhoAmI)).runtimeId, "same")
  })

  it("calls back when a newer client takes its name, and may then connect again", async () => {
    const server = await serve()
    server.onFrameworkMessage(WhoAmI, (_, caller) => caller)
    const older = await connect(server, "worker")
    const lost = event()
    older.onClose(lost.fire)
    const newer = await connect(server, "worker")
    await lost.fired
    assert.isFalse(older.isConnected())
    const error = await rejection(older.sendFrameworkRequest(WhoAmI))
    assert.strictEqual(error._tag, "ConnectionClosed")
    assert.include(error.message, "code 4001: a newer connection has the same runtimeId")
    await newer.disconnect()
    await older.connect("worker")
    assert.strictEqual((await older.sendFrameworkRequest(WhoAmI)).runtimeId, "worker")
  })

  it("survives callbacks that throw and reject, and one that disconnects", async () => {
    const server = await serve()
    const client = await connect(server)
    const done = event()
    client.onClose(() => {
      throw new Error("a callback that throws")
    })
    client.onClose(async () => {
      throw new Error("a callback that rejects")
    })
    client.onClose(async () => {
      await client.disconnect()
      done.fire()
    })
    await server.teardown()
    await done.fired
    assert.isFalse(client.isConnected())
  })
})

describe("onFrameworkRequest", () => {
  it("answers from before the connection over every later one, the newest alone", async () => {
    const server = await greeting()
    const relay = await relayTo(server.getPort())
    const client = clientOf(relay.port)
    client.onFrameworkRequest(Double, () => 0)
    client.onFrameworkRequest(Double, async (n) => n * 2)
    await client.connect("worker")
    assert.strictEqual(await server.sendFrameworkMessage("worker", Double, 2), 4)
    const lost = event()
    client.onClose(lost.fire)
    relay.cut()
    await lost.fired
    await client.sendFrameworkRequest(Greet, { name: "back" })
    assert.strictEqual(await server.sendFrameworkMessage("worker", Double, 3), 6)
    await client.disconnect()
    await client.connect("worker")
    assert.strictEqual(await server.sendFrameworkMessage("worker", Double, 4), 8)
  })

  it("answers a request that comes with the very opening of the connection", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
    onTestFinished(() => {
      for (const socket of server.clients) socket.terminate()
      server.close()
    })
    await new Promise((resolve) => server.once("listening", resolve))
    const answered = event<string>()
    server.on("connection", (socket) => {
      socket.on("message", (data) => answered.fire(String(data)))
      socket.send("r:1:ping:1")
    })
    const client = clientOf((server.address() as net.AddressInfo).port)
    client.onFrameworkRequest(IPCClient.defineRequest<number, number>("ping"), (n) => n + 1)
    await client.connect()
    assert.strictEqual(await answered.fired, 's:1:ping:{"success":true,"data":2}')
  })
})

describe("sendFrameworkRequest", () => {
  it("rejects before connect and after disconnect, saying what to do", async () => {
    const server = await greeting()
    const client = clientOf(server.getPort())
    const expected = `Request "greet" was not sent: the client isn't connected to ${server.getUrl()}. Await connect() first, and again after disconnect().`
    const before = await rejection(client.sendFrameworkRequest(Greet, { name: "Ada" }))
    assert.deepStrictEqual([before._tag, before.message], ["ConnectionClosed", expected])
    await client.connect()
    await client.disconnect()
    const after = await rejection(client.sendFrameworkRequest(Greet, { name: "Ada" }))
    assert.deepStrictEqual([after._tag, after.message], ["ConnectionClosed", expected])
  })
})
