/**
 * A program that has frozen `Error`, as hardened ones do: requests pass, and a frame that isn't JSON is answered.
 */
import { IPCClient, IPCServer } from "effect-ipc/promise"
import { WebSocket } from "ws"

Object.freeze(Error)

const Double = IPCServer.defineRequest<number, number>("double")
const server = new IPCServer()
server.onFrameworkMessage(Double, async (x) => x * 2)
await server.start()
const client = new IPCClient(server.getPort())
await client.connect("hardened")

const socket = new WebSocket(`ws://127.0.0.1:${server.getPort()}/__ipc`)
const answer = new Promise<string>((resolve) => socket.on("message", (text) => resolve(String(text))))
socket.on("open", () => socket.send("r:1:double:{"))

console.log(JSON.stringify({ doubled: await client.sendFrameworkRequest(Double, 21), answer: await answer }))
socket.terminate()
await client.disconnect()
await server.teardown()
