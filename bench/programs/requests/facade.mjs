/** The promise facade, as a program without Effect uses it. Variant `traced`: every request is part of a trace. */
import { continueTrace, IPCClient, IPCServer } from "effect-ipc/promise"
import { loadOf } from "../load.mjs"

const runtimeId = "bench"
const AskServer = IPCServer.defineRequest("echo")
const AskClient = IPCClient.defineRequest("echo-back")

export const serve = async (variant) => {
  const server = new IPCServer()
  server.onFrameworkMessage(AskServer, async (payload) => payload)
  await server.start()
  return {
    port: server.getPort(),
    load: loadBy(variant, (payload) => server.sendFrameworkMessage(runtimeId, AskClient, payload))
  }
}

export const connect = async (port, variant) => {
  const client = new IPCClient(port)
  client.onFrameworkRequest(AskClient, async (payload) => payload)
  await client.connect(runtimeId)
  const call = (payload) => client.sendFrameworkRequest(AskServer, payload)
  return { call, load: loadBy(variant, call) }
}

const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }

const loadBy = (variant, call) => {
  const load = loadOf(call)
  return variant === "traced" ? (...args) => continueTrace(headers, () => load(...args)) : load
}
