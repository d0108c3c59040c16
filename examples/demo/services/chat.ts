import { createServer } from "node:http"
import { WebSocketServer } from "ws"
import { participate } from "./participate.js"

const server = createServer()
const room = new WebSocketServer({ server, path: "/chat" })

room.on("connection", (member, request) => {
  const name = new URL(request.url ?? "", "http://chat").searchParams.get("name")
  const tellAll = (text: string) => {
    for (const other of room.clients) other.send(text)
  }
  tellAll(`${name} joined`)
  member.on("message", (text) => tellAll(`${name}: ${text}`))
})

participate("chat", server)
