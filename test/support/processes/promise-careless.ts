/**
 * A program that awaits next to nothing. No promise that it drops may end the process, which must end by itself.
 */
import * as net from "node:net"
import { IPCClient, IPCServer } from "effect-ipc/promise"
import { Double, Greet, Hang, Stall } from "../../integration/promise/requests.js"

const server = new IPCServer()
server.onFrameworkMessage(Hang, () => new Promise(() => {}))
server.onFrameworkMessage(Greet, async () => {
  throw new Error("nobody greets")
})
const Endless = IPCServer.defineStream<void, number, number>("endless", { input: true })
server.onStream(Endless, async function* (_, input) {
  // An input that nobody reads on, in a generator that never ends.
  input.next()
  await new Promise(() => {})
  yield 1
})
server.interceptHttp("GET", "/fails", async () => {
  throw new Error("nobody answers")
})
server.interceptHttp("GET", "/never", () => new Promise(() => {}))
await server.start()
const port = server.getPort()

async function* failing() {
  yield 1
  throw new Error("nobody reads it")
}

// Never started, never connected, refused.
new IPCServer().sendFrameworkMessage("nobody", Double, 1)
new IPCClient(port).sendFrameworkRequest(Hang)
new IPCClient(port).openStream(Endless, undefined, []).next()
new IPCClient(1).connect()
new IPCServer(port).start()
new IPCServer(0, { host: "0.0.0.0" }).start()

// Overtaken by its end.
const overtaken = new IPCClient(port)
overtaken.connect()
overtaken.disconnect()
const tornDown = new IPCServer()
tornDown.start()
tornDown.teardown()
tornDown.start()
tornDown.teardown()

// Callbacks that fail.
server.onClientDisconnect(() => {
  throw new Error("a callback that throws")
})

// The server dies with requests in flight both ways; so does a connection, violently.
const sockets: Array<net.Socket> = []
const relay = net.createServer((near) => {
  const far = net.connect(port, "127.0.0.1")
  near.pipe(far).pipe(near)
  for (const socket of [near, far]) {
    sockets.push(socket)
    socket.on("error", () => {})
  }
})
await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve))
const cut = new IPCClient((relay.address() as net.AddressInfo).port, { reconnect: false })
const dropped = new IPCClient(port)
for (const [client, name] of [
  [cut, "cut"],
  [dropped, "dropped"]
] as const) {
  client.onFrameworkRequest(Stall, () => new Promise(() => {}))
  client.onClose(async () => {
    throw new Error("a callback that rejects")
  })
  await client.connect(name)
  client.sendFrameworkRequest(Greet, { name: "Ada" })
  client.sendFrameworkRequest(Hang)
  client.sendFrameworkRequest(Hang, undefined, 1)
  client.openStream(Endless, undefined, failing()).next()
  client.openStream(Endless, undefined, [1, 2, 3]).next()
  server.sendFrameworkMessage(name, Stall)
  server.sendFrameworkMessage(name, Double, 1)
}
for (const path of ["/fails", "/never"]) fetch(`http://127.0.0.1:${port}${path}`).catch(() => {})
const lost = new Promise<void>((resolve) => cut.onClose(resolve))
for (const socket of sockets) socket.resetAndDestroy()
await lost
relay.close()
const left = new Promise<void>((resolve) => dropped.onClose(resolve))
server.teardown()
await left
dropped.sendFrameworkRequest(Hang)
dropped.disconnect()
cut.disconnect()
console.log("done")
