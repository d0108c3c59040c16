/**
 * What one writes by hand over `ws`: JSON and a map from ids to promises. The base of all ratios. Variant `corked`: the
 * frames of one turn of the event loop leave in one write, the improvement that costs a dozen lines more.
 */
import { WebSocket, WebSocketServer } from "ws"
import { loadOf } from "../load.mjs"

export const serve = async (variant) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
  let call
  server.on("connection", (ws, request) => {
    call = speak(ws, request.socket, variant)
  })
  await new Promise((resolve) => server.on("listening", resolve))
  return { port: server.address().port, load: loadOf((payload) => call(payload)) }
}

export const connect = async (port, variant) => {
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
  const socket = new Promise((resolve) => ws.on("upgrade", (response) => resolve(response.socket)))
  await new Promise((resolve) => ws.on("open", resolve))
  const call = speak(ws, await socket, variant)
  return { call, load: loadOf(call) }
}

const speak = (ws, socket, variant) => {
  const pending = new Map()
  const send = variant === "corked" ? corked(ws, socket) : (text) => ws.send(text)
  let lastId = 0
  ws.on("message", (data) => {
    const message = JSON.parse(data.toString())
    if (message.answer) {
      const resolve = pending.get(message.id)
      pending.delete(message.id)
      resolve(message.data)
    } else {
      send(JSON.stringify({ id: message.id, answer: true, data: message.data }))
    }
  })
  return (data) =>
    new Promise((resolve) => {
      const id = ++lastId
      pending.set(id, resolve)
      send(JSON.stringify({ id, data }))
    })
}

const corked = (ws, socket) => {
  let isCorked = false
  const uncork = () => {
    isCorked = false
    socket.uncork()
  }
  return (text) => {
    if (!isCorked) {
      isCorked = true
      socket.cork()
      setImmediate(uncork)
    }
    ws.send(text)
  }
}
