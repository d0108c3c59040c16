import { createBirpc } from "birpc"
import { WebSocket, WebSocketServer } from "ws"
import { loadOf } from "../load.mjs"

export const serve = async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
  let client
  server.on("connection", (ws) => {
    client = over(ws)
  })
  await new Promise((resolve) => server.on("listening", resolve))
  return { port: server.address().port, load: loadOf((payload) => client.echo(payload)) }
}

export const connect = async (port) => {
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
  await new Promise((resolve) => ws.on("open", resolve))
  const server = over(ws)
  const call = (payload) => server.echo(payload)
  return { call, load: loadOf(call) }
}

const over = (ws) =>
  createBirpc(
    { echo: (payload) => payload },
    {
      post: (data) => ws.send(data),
      on: (receive) => ws.on("message", (data) => receive(data.toString())),
      serialize: JSON.stringify,
      deserialize: JSON.parse,
      timeout: 10_000
    }
  )
