/** What programs written for the package that this facade replaces rely on. */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { Gateway, INTERNAL_SOCKET_PATH, IPCClient, IPCServer, IPCSocket, LocalDiscovery } from "effect-ipc/promise"
import { TestGateway } from "effect-ipc/testing"
import { assert, describe, it, onTestFinished } from "vitest"
import { WebSocket, WebSocketServer } from "ws"
import { askJson, connect, event, rejection, relayTo, serve, thrown } from "./support.js"

const Note = IPCServer.defineRequest<{ text: string }, string>("note")

/** Opens a connection of bare `ws`. */
const open = async (url: string): Promise<WebSocket> => {
  const webSocket = new WebSocket(url)
  onTestFinished(() => webSocket.terminate())
  await new Promise((resolve, reject) => webSocket.once("open", resolve).once("error", reject))
  return webSocket
}

describe("a handler", () => {
  it("finds the payload in its second argument, too, and who sent it", async () => {
    const server = await serve()
    server.onFrameworkMessage(Note, async ({ text }, { clientId, data, runtimeId }) =>
      [text, data.text, runtimeId, typeof clientId].join(" ")
    )
    const client = await connect(server, "worker")
    assert.strictEqual(await client.sendFrameworkRequest(Note, { text: "hello" }), "hello hello worker string")
  })

  it("of a route gets the parsed JSON whatever the content type says, and its optional arguments", async () => {
    const server = await serve()
    server.interceptHttp(
      "POST",
      "/notes/:id",
      async (body: unknown, params?: Record<string, string>, headers?: Record<string, string>) => ({
        body,
        id: params?.id,
        type: headers?.["content-type"]
      })
    )
    const post = async (body: string, type: string) => {
      const { json } = await askJson(`${server.getUrl()}/notes/7`, {
        method: "POST",
        body,
        headers: { "content-type": type }
      })
      return json
    }
    assert.deepStrictEqual(
      [
        await post('{"a":1}', "text/plain"),
        await post("[1]", "application/octet-stream"),
        await post("plain", "text/plain"),
        await post("<a/>", "application/xml")
      ],
      [
        { body: { a: 1 }, id: "7", type: "text/plain" },
        { body: [1], id: "7", type: "application/octet-stream" },
        { body: "plain", id: "7", type: "text/plain" },
        { body: "<a/>", id: "7", type: "application/xml" }
      ]
    )
    assert.match(JSON.stringify(await post("{", "application/json")), /The body claims to be JSON and isn't/)
  })
})

describe("onClose", () => {
  it("registered after each connect is called once a connection", async () => {
    const server = await serve()
    const relay = await relayTo(server.getPort())
    const client = new IPCClient(relay.port)
    onTestFinished(() => client.disconnect())
    const closed: Array<number> = []
    for (const connection of [1, 2, 3]) {
      const lost = event()
      await client.connect()
      assert.isTrue(client.isConnected())
      client.onClose(() => {
        closed.push(connection)
        lost.fire()
      })
      relay.cut()
      await lost.fired
    }
    await client.connect()
    await client.disconnect()
    assert.deepStrictEqual(closed, [1, 2, 3])
  })

  it("may connect and register again", async () => {
    const server = await serve()
    const relay = await relayTo(server.getPort())
    const client = new IPCClient(relay.port)
    onTestFinished(() => client.disconnect())
    let closed = 0
    let again = event()
    const onClose = async () => {
      closed++
      await client.connect()
      client.onClose(onClose)
      again.fire()
    }
    await client.connect()
    client.onClose(onClose)
    for (let loss = 1; loss <= 3; loss++) {
      again = event()
      relay.cut()
      await again.fired
      assert.strictEqual(closed, loss)
    }
  })

  it("leaves a connect that waits to be rejected where the client is disconnected meanwhile", async () => {
    const server = await serve()
    const relay = await relayTo(server.getPort())
    const client = new IPCClient(relay.port)
    onTestFinished(() => client.disconnect())
    await client.connect()
    const lost = event()
    client.onClose(lost.fire)
    relay.close()
    relay.cut()
    await lost.fired
    const connecting = rejection(client.connect())
    await client.disconnect()
    assert.strictEqual((await connecting)._tag, "ConnectionClosed")
  })
})

describe("an IPCSocket", () => {
  it("connects to a server at the internal path, answers it, asks it and sends it messages", async () => {
    const server = await serve()
    const Square = IPCClient.defineRequest<number, number>("square")
    const noted = event<string>()
    server.onFrameworkMessage(Note, async ({ text }) => {
      noted.fire(text)
      return text.toUpperCase()
    })
    const webSocket = await open(`ws://127.0.0.1:${server.getPort()}${INTERNAL_SOCKET_PATH}?runtimeId=worker`)
    const socket = new IPCSocket(webSocket)
    const closed = event()
    socket.onClose(closed.fire)
    socket.onRequest("square", async (n) => Number(n) ** 2)
    assert.strictEqual(await socket.request("note", { text: "asked" }), "ASKED")
    socket.send("note", { text: "told" })
    assert.strictEqual(await server.sendFrameworkMessage("worker", Square, 12), 144)
    assert.strictEqual(await noted.fired, "asked")
    const none = await rejection(socket.request("nobody", 1))
    assert.strictEqual(none._tag, "NoHandler")
    assert.isTrue(socket.isConnected())
    socket.teardown()
    await closed.fired
    assert.isFalse(socket.isConnected())
    const late = [await rejection(socket.request("note", { text: "late" })), thrown(() => socket.send("note", 1))]
    assert.deepStrictEqual(
      late.map(({ _tag, message }) => [_tag, message]),
      [
        ["ConnectionClosed", 'Request "note" was not sent: the connection has closed.'],
        ["ConnectionClosed", 'Message "note" was not sent: the connection has closed.']
      ]
    )
  })

  it("serves the WebSockets that a program accepts itself, and fails what waits when they close", async () => {
    const server = http.createServer()
    const webSockets = new WebSocketServer({ server })
    onTestFinished(() => {
      webSockets.close()
      server.closeAllConnections()
      server.close()
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const accepted = new Promise<IPCSocket>((resolve) =>
      webSockets.on("connection", (webSocket) => resolve(new IPCSocket(webSocket)))
    )
    const near = new IPCSocket(await open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`))
    const far = await accepted
    const arrived = event()
    far.onRequest("hang", () => {
      arrived.fire()
      return new Promise(() => {})
    })
    const timedOut = await rejection(near.request("hang", undefined, 20))
    assert.strictEqual(timedOut._tag, "RequestTimeout")
    const hanging = rejection(near.request("hang"))
    await arrived.fired
    far.close()
    assert.strictEqual((await hanging)._tag, "ConnectionClosed")
  })

  it("refuses a WebSocket that isn't open yet", async () => {
    const server = await serve()
    const webSocket = new WebSocket(`ws://127.0.0.1:${server.getPort()}${INTERNAL_SOCKET_PATH}`)
    onTestFinished(() => webSocket.terminate())
    assert.strictEqual(
      thrown(() => new IPCSocket(webSocket)).message,
      "The WebSocket isn't open. Await its open event first."
    )
    await new Promise((resolve) => webSocket.once("open", resolve))
  })
})

describe("options in plain JavaScript", () => {
  it("with a wrong name are refused where they are given", async () => {
    const wrong = { hosst: "127.0.0.1", tokn: "0123456789abcdef" } as object
    const messages = [
      thrown(() => new IPCServer(0, wrong)).message,
      thrown(() => new IPCClient(9000, { tokn: "0123456789abcdef" } as object)).message,
      thrown(() => new IPCClient(9000, { Port: 1 } as object)).message,
      thrown(() => new IPCClient(9000, "worker" as never)).message,
      thrown(() => new LocalDiscovery(9000, { runtimeID: "one" } as object)).message,
      thrown(() => new Gateway(9000, { drainTimout: 1 } as object)).message,
      thrown(() => new Gateway(9000, null as never)).message,
      await TestGateway.start({ maxRecordedByte: 1 } as object).then(String, ({ message }: TypeError) => message)
    ]
    assert.include(
      messages[0],
      'new IPCServer(port, options): its options have no "hosst". Did you mean "host"? They take host'
    )
    assert.include(messages[1], 'Did you mean "token"?')
    assert.match(messages[2] ?? "", /have no "Port"\. (Did you mean "path"\? )?They take/)
    assert.include(messages[3], "not a string")
    assert.include(
      messages[4],
      'new LocalDiscovery(port, options): its options have no "runtimeID". Did you mean "runtimeId"?'
    )
    assert.include(messages[5], 'Did you mean "drainTimeout"?')
    assert.include(messages[6], "new Gateway(port, options): its options are an object of")
    assert.include(messages[7] as string, 'TestGateway.start: its options have no "maxRecordedByte".')
  })
})
