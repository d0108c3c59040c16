/**
 * The library at work in seven processes, which share only the number of a port: four HTTP services, a worker, a service
 * that knows nothing of the library, and this process; three more ask each other by name at a port of their own. `npm run
 * demo` prints each step, and exits with 0 only if each held; with 130 after Ctrl-C, which ends it at any step.
 */
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Console, Context, Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { Discovery, HttpGateway, IPCServer, LeaderElection } from "effect-ipc"
import { HttpProxyUpstream } from "effect-ipc/http-proxy"
import { LocalDiscovery, NodeIPCServer } from "effect-ipc/node"
import { askByName } from "./demo/by-name.js"
import { join } from "./demo/chat.js"
import { MakeInvoice, NextInvoiceNumber } from "./demo/invoices.js"
import { failed, reasons, recoveredAt, slowest, underLoad } from "./demo/load.js"
import { start, startedPids } from "./demo/processes.js"
import { expect, say, step } from "./demo/story.js"

/** Many times what the demo takes, for a machine that is busy. */
const patience = "90 seconds"

/** The port that every process knows. The leader is the gateway there. */
class Gateway extends Context.Tag("demo/Gateway")<Gateway, { readonly port: number; readonly url: string }>() {}

/** One HTTP request to the gateway: its status, and its body from JSON. */
const ask = (method: "GET" | "POST", path: string, body?: unknown) =>
  Effect.gen(function* () {
    const { url } = yield* Gateway
    const request = HttpClientRequest.make(method)(url + path)
    const response = yield* HttpClient.execute(
      body === undefined ? request : HttpClientRequest.bodyUnsafeJson(request, body)
    )
    const answer = (yield* response.json) as Record<string, unknown>
    yield* say(`${method} ${path} → ${response.status} ${JSON.stringify(answer)}`)
    return { status: response.status, answer }
  })

/** A process that takes part at the gateway's port. */
const startParticipant = (program: string, env: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(Gateway, ({ port }) => start(program, { IPC_PORT: String(port), ...env }))

const startProcesses = Effect.gen(function* () {
  const [chat, orders] = yield* Effect.all(
    [Effect.tap(startParticipant("chat.ts"), ({ leads }) => leads), start("orders.mjs", {})],
    { concurrency: "unbounded" }
  )
  yield* say(`${chat.name}, came first: it leads, so it is the gateway`)
  const billing = yield* IPCServer
  const [usersA, usersB, worker] = yield* Effect.all(
    [
      startParticipant("users.ts"),
      startParticipant("users.ts"),
      startParticipant("worker.ts", { IPC_URL: billing.url, IPC_RUNTIME_ID: "worker-1" })
    ],
    { concurrency: "unbounded" }
  )
  yield* say(`${[usersA, usersB, worker].map(({ name }) => name).join("; ")}: they follow`)
  yield* say(`${orders.name}: an ordinary server, which takes no part`)
  return { usersA, usersB, chat, worker, orders }
})

type Processes = Effect.Effect.Success<typeof startProcesses>

/** This process takes part as the others do: it serves the billing, and registers the orders, which don't take part. */
const takePart = ({ orders }: Processes) =>
  Effect.gen(function* () {
    const billing = yield* IPCServer
    yield* billing.interceptHttp("GET", "/billing/health", () => Effect.succeed({ ok: true }))
    const discovery = yield* Discovery
    yield* discovery.register([
      { api: "billing", baseUrl: billing.url, pathPrefix: "/billing" },
      { api: "orders", baseUrl: orders.url, pathPrefix: "/orders" }
    ])
    for (const { api, baseUrl } of yield* discovery.routes) yield* say(`${api.padEnd(8)} ${baseUrl}`)

    const { url } = yield* Gateway
    yield* expect("where users are found", yield* discovery.discover("users"), url)
    const unknown = yield* Effect.flip(discovery.discover("unknown"))
    yield* say(`${unknown._tag}: ${unknown.message}`)
    yield* expect("the failure", unknown._tag, "ServiceNotRegistered")
  })

const routeHttp = ({ usersA, usersB }: Processes) =>
  Effect.gen(function* () {
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
    yield* expect("this process's route", yield* ask("GET", "/billing/health"), { status: 200, answer: { ok: true } })
    yield* expect("an unknown path's status", (yield* ask("GET", "/nowhere")).status, 404)
  })

const callWorker = Effect.gen(function* () {
  const billing = yield* IPCServer
  let invoices = 1000
  yield* billing.handle(NextInvoiceNumber, ({ orderId }, caller) =>
    Effect.as(say(`${caller.runtimeId} → billing: a number for the invoice of order ${orderId}?`), ++invoices)
  )
  yield* billing.awaitClient("worker-1")
  yield* say("billing → worker-1: make the invoice of order 7")
  const invoice = yield* billing.request("worker-1", MakeInvoice, { orderId: 7 })
  yield* say(`worker-1 answers: ${invoice.text}`)
  yield* expect("the invoice", invoice.text, "invoice 1001: Ada owes 42")
})

const failTyped = Effect.gen(function* () {
  const billing = yield* IPCServer
  const unknownOrder = yield* billing.request("worker-1", MakeInvoice, { orderId: 999 }).pipe(
    Effect.as("no failure"),
    Effect.catchTag("UnknownOrder", ({ _tag, orderId }) => Effect.succeed(`${_tag} ${orderId}`))
  )
  yield* say(`worker-1 fails: ${unknownOrder}`)
  yield* expect("the failure", unknownOrder, "UnknownOrder 999")

  const notConnected = yield* Effect.flip(billing.request("worker-2", MakeInvoice, { orderId: 7 }))
  yield* say(`${notConnected._tag}: ${notConnected.message}`)
  yield* expect("the failure", notConnected._tag, "ClientNotConnected")
})

const loseReplica = ({ usersA, usersB }: Processes) =>
  Effect.gen(function* () {
    yield* usersA.kill
    yield* say(`killed ${usersA.name}`)
    for (let i = 0; i < 3; i++) {
      const { status, answer } = yield* ask("GET", "/users/2")
      yield* expect("the answer", [status, answer.servedBy], [200, usersB.pid])
    }
    const { instances } = yield* Discovery
    const left = (yield* instances("users")).map(({ baseUrl }) => baseUrl)
    yield* expect("the instances", left, [usersB.url])
  })

const loseService = ({ orders }: Processes) =>
  Effect.gen(function* () {
    yield* orders.kill
    yield* say(`killed ${orders.name}`)
    const { answer, status } = yield* ask("GET", "/orders/7")
    yield* expect("the status", status, 502)
    yield* expect("the error", String(answer.error).startsWith(`${orders.url} can't be reached (ECONNREFUSED)`), true)
    const restarted = yield* start("orders.mjs", { PORT: new URL(orders.url).port })
    yield* say(`started ${restarted.name}, at the same port`)
    yield* expect("the status", (yield* ask("GET", "/orders/7")).status, 200)
  })

/** The proxy by http-proxy, in a gateway beside the leader's: the same requests, the same chat. */
const replaceHttpClient = ({ chat, orders, usersB }: Processes) =>
  Effect.gen(function* () {
    const { url } = yield* IPCServer
    const gateway = yield* HttpGateway
    const services = new Map(Object.entries({ users: usersB.url, orders: orders.url, chat: chat.url }))
    yield* gateway.proxy((path) => services.get(path.split(/[/?]/)[1] ?? ""))
    yield* Effect.gen(function* () {
      yield* expect("who answered", (yield* ask("GET", "/users/1")).answer.servedBy, usersB.pid)
      yield* expect("the status", (yield* ask("POST", "/orders", { userId: 3, total: 17 })).status, 201)
      yield* talk
    }).pipe(Effect.provideService(Gateway, { port: Number(new URL(url).port), url }))
    yield* expect("what http-proxy has forwarded", forwarded, ["GET /users/1", "POST /orders", ...chatRequests])
  }).pipe(Effect.scoped, Effect.provide(ByHttpProxy))

const forwarded: Array<string> = []
const note = (request: IncomingMessage) => forwarded.push(`${request.method} ${request.url}`)
const chatRequests = ["GET /chat?name=Ada", "GET /chat?name=Grace"]

const ByHttpProxy = NodeIPCServer.layer().pipe(
  Layer.provide(
    HttpProxyUpstream.layer({
      on: { proxyReq: (_, request) => note(request), proxyReqWs: (_, request) => note(request) }
    })
  )
)

const talk = Effect.gen(function* () {
  const { url } = yield* Gateway
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
}).pipe(Effect.scoped, Effect.timeout(patience))

const notAnswered = "no answer"

/** Asks through the gateway's port, as any HTTP client. A request in flight is lost when its process dies. */
const getUser = Effect.gen(function* () {
  const { url } = yield* Gateway
  const response = yield* HttpClient.get(`${url}/users/2`)
  yield* response.text
  return response.status
}).pipe(
  Effect.timeoutFail({ duration: patience, onTimeout: () => notAnswered }),
  Effect.mapError((error) => (typeof error === "string" ? error : `${error._tag} (${codeOf(error)})`)),
  Effect.filterOrFail(
    (status) => status === 200,
    (status) => `status ${status}`
  ),
  Effect.asVoid
)

/** Asks over IPC, as a participant: the call waits for the next leader. */
const findUsers = Effect.flatMap(Discovery, ({ discover }) => discover("users")).pipe(
  Effect.mapError(({ _tag }) => _tag),
  Effect.asVoid
)

const codeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return "code" in error ? String(error.code) : error.cause === undefined ? error.message : codeOf(error.cause)
}

const loseLeader = ({ chat, usersB, worker }: Processes) =>
  Effect.gen(function* () {
    const election = yield* LeaderElection
    const killLeader = Effect.gen(function* () {
      const killedAt = performance.now()
      yield* chat.kill
      yield* say(`killed ${chat.name}, with SIGKILL, while it led`)
      const leader = yield* Effect.raceAll([
        Effect.as(election.whileLeader(Effect.void), "this process"),
        ...[usersB, worker].map(({ leads, name }) => Effect.as(leads, name))
      ])
      yield* say(`${leader}, leads now`)
      return killedAt
    })
    // The load goes on until the next leader answers.
    const failover = yield* killLeader.pipe(
      Effect.zipLeft(Effect.retry(getUser, Schedule.spaced("10 millis"))),
      Effect.delay("700 millis"),
      Effect.zipLeft(Effect.sleep("700 millis")),
      Effect.fork
    )
    const [requests, calls, killedAt] = yield* Effect.all(
      [underLoad(getUser, 200, failover), underLoad(findUsers, 50, failover), Fiber.join(failover)],
      { concurrency: "unbounded" }
    )
    const lost = failed(requests)
    const gap = lost.length === 0 ? 0 : Math.round(recoveredAt(requests) - killedAt)
    yield* say(`the gap: ${gap} ms from the kill until all requests were answered again`)
    yield* say(
      `HTTP: ${lost.length} of ${requests.length} requests failed${lost.length === 0 ? "" : `: ${reasons(requests)}`}`
    )
    yield* say(`  the slowest of them after ${slowest(lost)} ms`)
    yield* say(
      `Discovery: ${failed(calls).length} of ${calls.length} calls failed; the slowest took ${slowest(calls)} ms`
    )
    yield* expect("failures before the kill", reasons(lost.filter(({ endedAt }) => endedAt < killedAt)), "")
    yield* expect("requests without an end", reasons(lost.filter(({ failure }) => failure === notAnswered)), "")
    yield* expect("whether requests are answered again", Number.isFinite(gap), true)
    yield* expect("the calls that failed", reasons(calls), "")
  })

/** Each process that lives has registered with the new leader by itself. */
const stillThere = ({ orders, usersB }: Processes) =>
  Effect.gen(function* () {
    const billing = yield* IPCServer
    const { routes } = yield* Discovery
    const left = (yield* routes).map(({ baseUrl }) => baseUrl)
    yield* expect("what is registered", new Set(left), new Set([usersB.url, billing.url, orders.url]))
    for (const path of ["/users/1", "/orders/7", "/billing/health"]) {
      yield* expect("the status", (yield* ask("GET", path)).status, 200)
    }
    const invoice = yield* billing.request("worker-1", MakeInvoice, { orderId: 7 })
    yield* say(`worker-1 answers: ${invoice.text}`)
    yield* expect("the invoice", invoice.text, "invoice 1002: Ada owes 42")
  })

const story = Effect.gen(function* () {
  const { port } = yield* Gateway
  const processes = yield* step("Five processes start, and meet at one port", startProcesses)
  yield* told(processes).pipe(Effect.provide(LocalDiscovery.layer({ port })))
})

const told = (processes: Processes) =>
  Effect.gen(function* () {
    yield* step("This process takes part too", takePart(processes))
    yield* step("HTTP finds its service through the gateway", routeHttp(processes))
    yield* step("The billing calls the worker, and the worker calls back", callWorker)
    yield* step("Failures arrive typed", failTyped)
    yield* step("One of two replicas dies, and no request notices", loseReplica(processes))
    yield* step("A service that takes no part dies, and comes back", loseService(processes))
    yield* step("Three programs ask each other by name, at a port of their own", Effect.flatMap(bind(0), askByName))
    yield* step("A WebSocket chat goes through the same port", talk)
    yield* step("The same goes by http-proxy, in place of the gateway's own HTTP client", replaceHttpClient(processes))
    yield* step("The leader dies under 200 requests a second", loseLeader(processes))
    yield* step("All the others are still there", stillThere(processes))
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

/** Binds the port, or any free one for 0, and releases it. */
const bind = (port: number) =>
  Effect.async<number, Error>((resume) => {
    const server = createServer()
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resume(Effect.succeed(port)))
    })
  })

const main = Effect.gen(function* () {
  yield* Console.log("effect-ipc: processes that find each other, call each other and are reached, on one port\n")
  const [duration] = yield* Effect.timed(
    Effect.gen(function* () {
      const port = yield* bind(0)
      yield* say(`the port that all know: ${port}`)
      yield* story.pipe(
        Effect.scoped,
        Effect.provide(
          Layer.mergeAll(
            Layer.succeed(Gateway, { port, url: `http://127.0.0.1:${port}` }),
            NodeIPCServer.layer(),
            FetchHttpClient.layer,
            NodeSocket.layerWebSocketConstructor
          )
        ),
        Effect.timeoutFail({
          duration: patience,
          onTimeout: () => new Error(`The demo took longer than ${patience}: a step hangs, or the machine is very busy`)
        })
      )
      yield* step("Everything ends with its scope", nothingLeft(port))
    })
  )
  yield* Console.log(`\nEvery step held, in ${(Duration.toMillis(duration) / 1000).toFixed(1)} s.`)
}).pipe(
  Effect.provide(NodeContext.layer),
  Effect.tapError((error) => Console.error(`\n✗ ${error.message}`))
)

/** 130 after Ctrl-C, as shells have it: the steps that were left didn't hold. */
const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  return Exit.isInterrupted(exit) ? 130 : 1
}

NodeRuntime.runMain(main, { disableErrorReporting: true, teardown: (exit, onExit) => onExit(exitCode(exit)) })
