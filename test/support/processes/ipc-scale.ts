/**
 * One end of very many connections: `server`, or `clients` or bare `connections` to the port given, named from the first
 * number to before the last.
 */
import { execSync } from "node:child_process"
import type * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as NodeIPCClient from "../../../layers/NodeIPCClient.js"
import * as NodeIPCServer from "../../../layers/NodeIPCServer.js"
import { collectGarbage } from "../garbage.js"
import { hear, say, stopHearing } from "../ParentProcess.js"
import { frame, textFrame, upgraded } from "../rawFrames.js"
import { Echo } from "../requests.js"

type Role = "server" | "clients" | "connections"

const [role, port, first, last] = process.argv.slice(2) as [Role, string, string, string]

const heap = Effect.map(collectGarbage, () => {
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed, rss }
})

/** Says when all are connected; they leave when told. */
function whileTold<E>(connect: Effect.Effect<void, E, Scope.Scope>) {
  return Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Scope.extend(connect, scope)
    yield* say("connected")
    yield* hear
    yield* Scope.close(scope, Exit.void)
    yield* say("left")
    yield* stopHearing
  })
}

const server = Effect.gen(function* () {
  const server = yield* NodeIPCServer.make()
  yield* say("port", String(server.port))
  for (;;) {
    const [what, argument] = (yield* hear).split(" ")
    switch (what) {
      case "limit":
        yield* say("limit", execSync("ulimit -n").toString().trim())
        break
      case "memory":
        yield* say("memory", { ...(yield* heap), clients: (yield* server.clients).length })
        break
      case "request": {
        const names = Array.from({ length: Number(argument) }, (_, i) => `worker-${i}`)
        const answers = yield* Effect.forEach(names, (name) => server.request(name, Echo, name), { concurrency: 500 })
        yield* say("answered", String(answers.filter((answer, i) => answer === `worker-${i}!`).length))
        break
      }
      default:
        return yield* stopHearing
    }
  }
})

const numbers = Array.from({ length: Number(last) - Number(first) }, (_, i) => Number(first) + i)

/** Clients of the library, which also shows that they leave nothing behind. */
const clients = whileTold(
  Effect.forEach(
    numbers,
    Effect.fnUntraced(function* (i) {
      const client = yield* NodeIPCClient.make({
        port: Number(port),
        runtimeId: `worker-${i}`,
        connectTimeout: "15 seconds"
      })
      yield* client.handle(Echo, (text) => Effect.succeed(`${text}!`))
    }),
    { concurrency: 200, discard: true }
  )
)

/** Connections that answer as such clients do, and cost this end little. */
const connections = whileTold(
  Effect.forEach(
    numbers,
    (i) => Effect.map(upgraded(Number(port), undefined, `worker-${i}`), (socket) => socket.on("data", answer(socket))),
    { concurrency: 200, discard: true }
  )
)

/** Answers each frame of the server's, which are all shorter than 126 bytes. */
const answer = (socket: net.Socket) => {
  let received: Buffer = Buffer.alloc(0)
  return (data: Buffer): void => {
    received = Buffer.concat([received, data])
    for (;;) {
      const [first, length] = received
      if (first === undefined || length === undefined || received.length < 2 + length) return
      const payload = received.subarray(2, 2 + length)
      received = received.subarray(2 + length)
      if ((first & 0x0f) === 9) socket.write(frame(payload, { opcode: 10 }))
      if ((first & 0x0f) !== 1) continue
      const [, id, path, text = ""] = payload.toString().split(":")
      socket.write(textFrame(`s:${id}:${path}:{"success":true,"data":"${JSON.parse(text)}!"}`))
    }
  }
}

const program: Effect.Effect<void, unknown, Scope.Scope> = { server, clients, connections }[role]
await Effect.runPromise(Effect.scoped(program))
