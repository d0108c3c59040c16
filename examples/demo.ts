/**
 * The whole of it on real processes: a gateway, four HTTP services and a worker, all met on one port.
 * `npm run demo` tells each step; it exits 0 only if every one held.
 */
import { createServer } from "node:http"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Console, Duration, Effect, Layer } from "effect"
import { IPCServer } from "effect-ipc"
import { NodeIPCServer } from "effect-ipc/node"
import { join } from "./demo/chat.js"
import { MakeInvoice, NextInvoiceNumber } from "./demo/invoices.js"
import { startedPids, startService, startWorker } from "./demo/processes.js"
import { roundRobin } from "./demo/routes.js"
import { expect, say, step } from "./demo/story.js"

/** One HTTP request to the gateway: its status, and its body from JSON. */
const ask = (method: "GET" | "POST", path: string, body?: unknown) =>
  Effect.gen(function* () {
    const { url } = yield* IPCServer
    const request = HttpClientRequest.make(method)(url + path)
    const response = yield* HttpClient.execute(
      body === undefined ? request : HttpClientRequest.bodyUnsafeJson(request, body)
    )
    const answer = (yield* response.json) as Record<string, unknown>
    yield* say(`${method} ${path} → ${response.status} ${JSON.stringify(answer)}`)
    return { status: response.status, answer }
  })

const startProcesses = Effect.gen(function* () {
  const gateway = yield* IPCServer
  const [usersA, usersB, orders, chat, worker] = yield* Effect.all(
    [
      startService("users"),
      startService("users"),
      startService("orders"),
      startService("chat"),
      startWorker(gateway.url, "worker-1")
    ],
    { concurrency: "unbounded" }
  )
  yield* gateway.awaitClient("worker-1")
  yield* say(`users     pid ${usersA.pid}  ${usersA.url}`)
  yield* say(`users     pid ${usersB.pid}  ${usersB.url}`)
  yield* say(`orders    pid ${orders.pid}  ${orders.url}`)
  yield* say(`chat      pid ${chat.pid}  ${chat.url}`)
  yield* say(`worker-1  pid ${worker.pid}  connected to the gateway`)
  return { usersA, usersB, orders, chat }
})

type Services = Effect.Effect.Success<typeof startProcesses>

const routeHttp = ({ usersA, usersB }: Services) =>
  Effect.gen(function* () {
    const gateway = yield* IPCServer
    yield* gateway.interceptHttp("GET", "/health", () => Effect.succeed({ ok: true }))

    const first = yield* ask("GET", "/users/1")
    const second = yield* ask("GET", "/users/1")
    yield* expect(
      "who answered",
      new Set([first.answer.servedBy, second.answer.servedBy]),
      new Set<unknown>([usersA.pid, usersB.pid])
    )
    const created = yield* ask("POST", "/orders", { userId: 3, total: 17 })
    yield* expect("the status", created.status, 201)
    yield* expect("the new order", yield* ask("GET", "/orders/8"), {
      status: 200,
      answer: { id: 8, userId: 3, total: 17 }
    })
    yield* expect("the gateway's own route", yield* ask("GET", "/health"), { status: 200, answer: { ok: true } })
    yield* expect("an unknown path's status", (yield* ask("GET", "/nowhere")).status, 404)
  })

const callWorker = Effect.gen(function* () {
  const gateway = yield* IPCServer
  let invoices = 1000
  yield* gateway.handle(NextInvoiceNumber, ({ orderId }, caller) =>
    Effect.as(say(`${caller.runtimeId} → gateway: a number for the invoice of order ${orderId}?`), ++invoices)
  )
  yield* say("gateway → worker-1: make the invoice of order 7")
  const invoice = yield* gateway.request("worker-1", MakeInvoice, { orderId: 7 })
  yield* say(`worker-1 answers: ${invoice.text}`)
  yield* expect("the invoice", invoice.text, "invoice 1001: Ada owes 42")
})

const failTyped = Effect.gen(function* () {
  const gateway = yield* IPCServer
  const unknownOrder = yield* gateway.request("worker-1", MakeInvoice, { orderId: 999 }).pipe(
    Effect.as("no failure"),
    Effect.catchTag("UnknownOrder", ({ _tag, orderId }) => Effect.succeed(`${_tag} ${orderId}`))
  )
  yield* say(`worker-1 fails: ${unknownOrder}`)
  yield* expect("the failure", unknownOrder, "UnknownOrder 999")

  const notConnected = yield* Effect.flip(gateway.request("worker-2", MakeInvoice, { orderId: 7 }))
  yield* say(`${notConnected._tag}: ${notConnected.message}`)
  yield* expect("the failure", notConnected._tag, "ClientNotConnected")
})

const loseReplica = ({ usersA, usersB }: Services) =>
  Effect.gen(function* () {
    yield* usersA.kill
    yield* say(`killed users, pid ${usersA.pid}`)
    for (let i = 0; i < 3; i++) {
      const { status, answer } = yield* ask("GET", "/users/2")
      yield* expect("the answer", [status, answer.servedBy], [200, usersB.pid])
    }
  })

const loseService = ({ orders }: Services) =>
  Effect.gen(function* () {
    yield* orders.kill
    yield* say(`killed orders, pid ${orders.pid}`)
    yield* expect("the status", (yield* ask("GET", "/orders/7")).status, 502)
    const restarted = yield* startService("orders", Number(new URL(orders.url).port))
    yield* say(`started orders again, pid ${restarted.pid}`)
    yield* expect("the status", (yield* ask("GET", "/orders/7")).status, 200)
  })

const chat = Effect.gen(function* () {
  const { url } = yield* IPCServer
  const ada = yield* join(url, "Ada")
  yield* expect("what Ada hears", yield* ada.hear, "Ada joined")
  const grace = yield* join(url, "Grace")
  yield* expect("what Ada hears", yield* ada.hear, "Grace joined")
  yield* expect("what Grace hears", yield* grace.hear, "Grace joined")
  yield* ada.write("is it one port?")
  const heard = yield* grace.hear
  yield* say(`Grace hears “${heard}”`)
  yield* expect("what Grace hears", heard, "Ada: is it one port?")
  yield* grace.write("one port")
  yield* ada.hear
  const answer = yield* ada.hear
  yield* say(`Ada hears “${answer}”`)
  yield* expect("what Ada hears", answer, "Grace: one port")
}).pipe(Effect.scoped, Effect.timeout("5 seconds"))

const story = Effect.gen(function* () {
  const gateway = yield* IPCServer
  yield* say(`the gateway listens at ${gateway.url}`)
  const services = yield* step("Five processes start", startProcesses)
  yield* gateway.setRouteProxyResolver(
    roundRobin({
      users: [services.usersA.url, services.usersB.url],
      orders: [services.orders.url],
      chat: [services.chat.url]
    })
  )
  yield* step("HTTP finds its service through the gateway", routeHttp(services))
  yield* step("The gateway calls the worker, and the worker calls back", callWorker)
  yield* step("Failures arrive typed", failTyped)
  yield* step("One of two replicas dies, and no request notices", loseReplica(services))
  yield* step("A service dies, and comes back", loseService(services))
  yield* step("A WebSocket chat goes through the same port", chat)
  return gateway.port
})

/** With the scope of the story closed, its processes are gone and its port is free. */
const nothingLeft = (port: number) =>
  Effect.gen(function* () {
    const alive = [...startedPids].filter(isAlive)
    yield* expect("the processes left", alive, [])
    yield* say(`all ${startedPids.size} processes have ended`)
    yield* bind(port)
    yield* say(`port ${port} is free again`)
  })

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const bind = (port: number) =>
  Effect.async<void, Error>((resume) => {
    const server = createServer()
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.void)))
  })

const main = Effect.gen(function* () {
  yield* Console.log("effect-ipc: typed calls, an HTTP gateway and WebSockets between processes, on one port\n")
  const [duration] = yield* Effect.timed(
    Effect.gen(function* () {
      const port = yield* story.pipe(
        Effect.scoped,
        Effect.provide(
          Layer.mergeAll(NodeIPCServer.layer(), FetchHttpClient.layer, NodeSocket.layerWebSocketConstructor)
        ),
        Effect.timeout("20 seconds")
      )
      yield* step("Everything ends with its scope", nothingLeft(port))
    })
  )
  yield* Console.log(`\nEvery step held, in ${(Duration.toMillis(duration) / 1000).toFixed(1)} s.`)
}).pipe(
  Effect.provide(NodeContext.layer),
  Effect.tapError((error) => Console.error(`\n✗ ${error.message}`))
)

NodeRuntime.runMain(main, { disableErrorReporting: true })
