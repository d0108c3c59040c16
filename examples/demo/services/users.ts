import { createServer } from "node:http"
import { participate } from "./participate.js"

const names = new Map([
  [1, "Ada"],
  [2, "Grace"],
  [3, "Margaret"]
])

participate(
  "users",
  createServer((request, response) => {
    const id = Number(request.url?.match(/^\/users\/(\d+)$/)?.[1])
    const name = names.get(id)
    response.writeHead(name === undefined ? 404 : 200, { "content-type": "application/json" })
    response.end(JSON.stringify(name === undefined ? { error: "no such user" } : { id, name, servedBy: process.pid }))
  })
)
