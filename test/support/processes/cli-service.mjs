// A service that knows nothing of effect-ipc: it listens where PORT says, and tells what it was started with.
import { createServer } from "node:http"

const words = JSON.stringify(process.argv.slice(2))

createServer((request, response) => {
  if (request.url?.endsWith("/exit")) process.exit(5)
  response.end(`${request.method} ${request.url} ${words}`)
}).listen(Number(process.env.PORT), "127.0.0.1", () => console.log(`service started with ${words}`))

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    console.log(`service got ${signal}`)
    process.exit(7)
  })
}
process.on("SIGHUP", () => console.log("service got SIGHUP"))
