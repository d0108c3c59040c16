// A service that knows nothing of effect-ipc: it listens where PORT says, and tells what it was started with, and each signal.
import { createServer } from "node:http"
import { constants } from "node:os"

const words = JSON.stringify(process.argv.slice(2))

// A fault that a handler takes is raised again as soon as it returns, without end.
const notTaken = new Set(["SIGKILL", "SIGSTOP", "SIGCHLD", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"])
const known = new Set()
for (const [signal, number] of Object.entries(constants.signals)) {
  if (known.has(number) || notTaken.has(signal)) continue
  known.add(number)
  process.on(signal, () => {
    console.log(`service got ${signal}`)
    if (signal === "SIGINT" || signal === "SIGTERM") process.exit(7)
  })
}

createServer((request, response) => {
  if (request.url?.endsWith("/exit")) process.exit(5)
  response.end(`${request.method} ${request.url} ${words}`)
}).listen(Number(process.env.PORT), "127.0.0.1", () => {
  console.log(`service started with ${words}`)
  console.log(`service is ${process.pid} of ${process.ppid}`)
})
