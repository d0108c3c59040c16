/**
 * The service behind the gateways: canned answers over bare sockets, so that it takes as little as it can of the time that
 * the gateways are compared in. `/big…` is 1 MiB, anything else a small JSON. Requests without bodies only.
 */
import { createServer } from "node:net"
import { answering } from "./answering.mjs"

const answerOf = (type, body) =>
  Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`),
    body
  ])

const small = answerOf("application/json", Buffer.from('{"id":"42","name":"User 42","email":"u42@example.com"}'))
const big = answerOf("application/octet-stream", Buffer.alloc(1024 * 1024, "x"))

const server = createServer({ noDelay: true }, (socket) => {
  let received = ""
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1")
    for (let end = received.indexOf("\r\n\r\n"); end !== -1; end = received.indexOf("\r\n\r\n")) {
      socket.write(received.startsWith("GET /big") ? big : small)
      received = received.slice(end + 4)
    }
  })
})

answering({
  serve: () => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)))
})
