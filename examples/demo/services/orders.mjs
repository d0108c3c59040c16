// A service as any other, in any language: it knows nothing of effect-ipc, so another process registers it.
import { createServer } from "node:http"
import { json } from "node:stream/consumers"

const orders = new Map([[7, { userId: 1, total: 42 }]])

const server = createServer(async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" })
    response.end(JSON.stringify(body))
  }
  if (request.method === "POST") {
    const id = Math.max(...orders.keys()) + 1
    const order = await json(request)
    orders.set(id, order)
    return answer(201, { id, ...order })
  }
  const id = Number(request.url.match(/^\/orders\/(\d+)$/)?.[1])
  const order = orders.get(id)
  return order === undefined ? answer(404, { error: "no such order" }) : answer(200, { id, ...order })
})

server.listen(Number(process.env.PORT), "127.0.0.1", () => {
  console.log(`ready http://127.0.0.1:${server.address().port}`)
})
// Ends with the demo, which holds the other end of stdin.
process.stdout.on("error", () => {})
process.stdin.on("end", () => process.exit()).resume()
