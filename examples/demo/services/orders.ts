import { createServer } from "node:http"
import { json } from "node:stream/consumers"
import { listen } from "./listen.js"

// A service as any other, in any language: it knows nothing of effect-ipc, so somebody registers it.

interface Order {
  readonly userId: number
  readonly total: number
}

const orders = new Map<number, Order>([[7, { userId: 1, total: 42 }]])

const url = await listen(
  createServer(async (request, response) => {
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" })
      response.end(JSON.stringify(body))
    }
    if (request.method === "POST") {
      const id = Math.max(...orders.keys()) + 1
      const order = (await json(request)) as Order
      orders.set(id, order)
      return answer(201, { id, ...order })
    }
    const id = Number(request.url?.match(/^\/orders\/(\d+)$/)?.[1])
    const order = orders.get(id)
    return order === undefined ? answer(404, { error: "no such order" }) : answer(200, { id, ...order })
  })
)
console.log(`ready ${url}`)
