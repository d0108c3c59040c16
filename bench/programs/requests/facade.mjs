/** The promise facade, as a program without Effect uses it. */
import { IPCClient, IPCServer } from "effect-ipc/promise"
import { loadOf } from "../load.mjs"

const runtimeId = "bench"
const AskServer = IPCServer.defineRequest("echo")
const AskClient = IPCClient.defineRequest("echo-back")

export const serve = async () => {
  const server = new IPCServer()
  server.onFrameworkMessage(AskServer, async (payload) => payload)
  await server.start()
  return {
    port: server.getPort(),
    load: loadOf((payload) => server.sendFrameworkMessage(runtimeId, AskClient, payload))
  }
}

export const connect = async (port) => {
  const client = new IPCClient(port)
  client.onFrameworkRequest(AskClient, async (payload) => payload)
  await client.connect(runtimeId)
  const call = (payload) => client.sendFrameworkRequest(AskServer, payload)
  return { call, load: loadOf(call) }
}
