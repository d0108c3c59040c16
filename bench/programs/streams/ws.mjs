/** What one writes by hand over `ws`: a frame an element, as fast as the socket takes them. */
import { WebSocket, WebSocketServer } from "ws"
import { startRun } from "../load.mjs"
import { chunk, element, sendWithoutEnd } from "../streamed.mjs"

export const serve = async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
  server.on("connection", (ws, { socket, url }) => {
    const send = url === "/bytes" ? () => ws.send(chunk) : () => ws.send(JSON.stringify(element))
    sendWithoutEnd(socket, send, () => socket.writableNeedDrain)
  })
  await new Promise((resolve) => server.on("listening", resolve))
  return server.address().port
}

export const connect = async (port) => ({
  consume: (what, millis) =>
    new Promise((resolve) => {
      const ws = new WebSocket(`ws://127.0.0.1:${port}/${what}`, { perMessageDeflate: false })
      const take = what === "bytes" ? (data) => data.length : (data) => JSON.parse(data.toString()).key.length
      let taken = 0
      ws.on("open", () => {
        const run = startRun(millis)
        ws.on("message", (data) => {
          taken += take(data)
          run.count++
          if (!run.over) return
          ws.terminate()
          resolve({ ...run.end(), taken })
        })
      })
    })
})
