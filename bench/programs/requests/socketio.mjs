import { createServer } from "node:http"
import { Server } from "socket.io"
import { io } from "socket.io-client"
import { loadOf } from "../load.mjs"

export const serve = async () => {
  const http = createServer()
  const server = new Server(http, { transports: ["websocket"], perMessageDeflate: false })
  let client
  server.on("connection", (socket) => {
    client = socket
    socket.on("echo", (payload, answer) => answer(payload))
  })
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve))
  return {
    port: http.address().port,
    load: loadOf((payload) => client.timeout(10_000).emitWithAck("echo", payload))
  }
}

export const connect = async (port) => {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"] })
  socket.on("echo", (payload, answer) => answer(payload))
  await new Promise((resolve) => socket.on("connect", resolve))
  const call = (payload) => socket.timeout(10_000).emitWithAck("echo", payload)
  return { call, load: loadOf(call) }
}
