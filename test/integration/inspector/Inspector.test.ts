/**
 * The inspector's feed and JSON, with real gateways and services.
 */
import * as http from "node:http"
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Logger, LogLevel, Scope, Stream } from "effect"
import * as ConnectionLog from "../../../layers/cli/ConnectionLog.js"
import * as GatewayWatch from "../../../layers/inspector/GatewayWatch.js"
import type {
  CallView,
  ExchangeView,
  MocksView,
  ServicesView,
  StatusView,
  TimelineView
} from "../../../layers/inspector/Views.js"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import * as NodeHttpInterception from "../../../layers/NodeHttpInterception.js"
import * as NodeIPCClient from "../../../layers/NodeIPCClient.js"
import * as NodeIPCServer from "../../../layers/NodeIPCServer.js"
import { Discovery } from "../../../src/Discovery.js"
import { IPCServer } from "../../../src/IPCServer.js"
import * as RoutingStrategy from "../../../src/RoutingStrategy.js"
import { freePort, participant } from "../../support/discovery.js"
import { ask, echo, openInspector, service, watching } from "../../support/inspector.js"
import { live } from "../../support/live.js"

const Greet = IPCServer.defineRequest<string, string>("greet")
const Count = IPCServer.defineStream<number, number>("count")

/** A gateway with a service that answers with what it gets. */
const echoing = Effect.gen(function* () {
  const port = yield* freePort
  const { discovery } = yield* participant({ port, runtimeId: "leader", warmUp: false })
  const upstream = yield* service(echo)
  yield* discovery.register({ api: "echo", baseUrl: upstream, pathPrefix: "/echo" })
  return { port, gateway: `http://127.0.0.1:${port}`, upstream, discovery }
})

const ended = (exchanges: ReadonlyArray<ExchangeView>) =>
  exchanges.every(({ durationMillis }) => durationMillis !== undefined)

/** The exchanges once there are as many, all of them ended. */
const exchanges = (inspector: Effect.Effect.Success<ReturnType<typeof openInspector>>, count: number) =>
  inspector.until<ReadonlyArray<ExchangeView>>("exchanges", (all) => all.length === count && ended(all))

const raw = (origin: string, headers: http.OutgoingHttpHeaders | ReadonlyArray<string>, path = "/api/status") =>
  Effect.async<number>((resume) => {
    const request = http.get(`${origin}${path}`, { headers, agent: false }, (response) => {
      response.resume()
      resume(Effect.succeed(response.statusCode ?? 0))
    })
    request.on("error", (error) => resume(Effect.die(error)))
  })

describe("the inspector's JSON", () => {
  live("shows an exchange whole, with secrets hidden unless they are asked for", () =>
    Effect.gen(function* () {
      const { gateway, port, upstream } = yield* echoing
      const inspector = yield* watching(port)
      const body = JSON.stringify({ item: "tea" })
      yield* ask(`${gateway}/echo/1?x=1`, {
        method: "POST",
        body,
        headers: { authorization: "Bearer secret", "content-type": "application/json" }
      })
      const [first] = yield* exchanges(inspector, 1)
      const shown = yield* inspector.get<ExchangeView>(`exchanges/${first?.id}`)
      assert.deepStrictEqual(
        [shown.method, shown.target, shown.status, shown.api, shown.answeredBy, shown.answerer, shown.failure],
        ["POST", "/echo/1?x=1", 200, "echo", "upstream", upstream, undefined]
      )
      assert.deepStrictEqual(
        [shown.requestBody, shown.responseBody],
        [
          { text: body, size: body.length, truncated: false },
          { text: body, size: body.length, truncated: false }
        ]
      )
      const values = (view: ExchangeView) => [
        new Map(view.requestHeaders).get("authorization"),
        new Map(view.responseHeaders).get("set-cookie")
      ]
      assert.deepStrictEqual(values(shown), ["[hidden]", "[hidden]"])
      const har = yield* Effect.flatMap(inspector.request("har"), (response) => Effect.promise(() => response.text()))
      assert.notInclude(har, "secret")
      assert.deepStrictEqual(values(yield* inspector.get<ExchangeView>(`exchanges/${first?.id}?secrets=shown`)), [
        "Bearer secret",
        "session=secret"
      ])
    })
  )

  live("says what answered: a route, a mock, an instance after one that refused, or nothing", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const services = yield* LocalDiscovery.makeStandalone({ port, warmUp: false })
      const interception = yield* Effect.provide(NodeHttpInterception.make(), services)
      const server = yield* Effect.provide(IPCServer, services)
      const discovery = yield* Effect.provide(Discovery, services)
      yield* server.interceptHttp("GET", "/route/:id", () => Effect.succeed(1))
      yield* interception.mock({ method: "GET", path: "/mocked" }, () => Effect.succeed(2), { name: "two" })
      const upstream = yield* service(echo)
      yield* discovery.setStrategy("pair", RoutingStrategy.first)
      yield* discovery.register([
        { api: "pair", baseUrl: "http://127.0.0.1:9", pathPrefix: "/pair" },
        { api: "pair", baseUrl: upstream, pathPrefix: "/pair" }
      ])
      const inspector = yield* watching(port)
      for (const path of ["/route/1", "/mocked", "/pair", "/nothing"]) yield* ask(`http://127.0.0.1:${port}${path}`)
      const all = yield* exchanges(inspector, 4)
      assert.deepStrictEqual(
        all.map(({ answeredBy, answerer, status }) => [status, answeredBy, answerer]),
        [
          [200, "route", "GET /route/1"],
          [200, "mock", "two"],
          [200, "upstream", upstream],
          [404, undefined, undefined]
        ]
      )
      const pair = yield* inspector.get<ExchangeView>(`exchanges/${all[2]?.id}`)
      assert.deepStrictEqual(
        pair.answerers.map(({ name }) => name),
        ["http://127.0.0.1:9", upstream]
      )
      const { inForce } = yield* inspector.until<MocksView>("mocks", ({ inForce: [two] }) => two?.calls === 1)
      assert.deepStrictEqual(inForce, [{ kind: "mock", name: "two", calls: 1 }])
    })
  )

  live("shows an exchange that takes its time before it ends, and one that is cut off", () =>
    Effect.gen(function* () {
      const { discovery, gateway, port } = yield* echoing
      const hanging = yield* service((_, response) => void response.write("begun"))
      yield* discovery.register({ api: "hanging", baseUrl: hanging, pathPrefix: "/hanging" })
      const inspector = yield* watching(port)
      const abort = new AbortController()
      const asked = fetch(`${gateway}/hanging`, { signal: abort.signal }).then((response) => response.text())
      yield* inspector.until<ReadonlyArray<ExchangeView>>(
        "exchanges",
        ([one]) => one?.durationMillis === undefined && one !== undefined
      )
      const { services } = yield* inspector.get<ServicesView>("services")
      const inFlight = services.find(({ api }) => api === "hanging")?.instances[0]?.health.inFlight
      assert.strictEqual(inFlight, 1)
      abort.abort()
      yield* Effect.promise(() => asked.catch(() => {}))
      const [one] = yield* exchanges(inspector, 1)
      assert.strictEqual(one?.failure, "the connection closed before the answer was complete")
    })
  )

  live("knows health by the answers, the owner's process, and who calls whom by traces", () =>
    Effect.gen(function* () {
      const { discovery, gateway, port, upstream } = yield* echoing
      const front = yield* service((request, response) => {
        const headers = { traceparent: String(request.headers.traceparent) }
        void fetch(`${gateway}/echo`, { headers }).then(() => response.end())
      })
      yield* discovery.register({ api: "front", baseUrl: front, pathPrefix: "/front" })
      const inspector = yield* watching(port)
      yield* ask(`${gateway}/front`, { headers: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` } })
      yield* exchanges(inspector, 2)
      const { edges, services } = yield* inspector.get<ServicesView>("services")
      const http = edges
        .filter(({ over }) => over === "HTTP")
        .map(({ count, failures, from, to }) => [from, to, count, failures])
      assert.sameDeepMembers(http, [
        ["outside", "front", 1, 0],
        ["front", "echo", 1, 0]
      ])
      const [instance] = services.find(({ api }) => api === "echo")?.instances ?? []
      assert.deepStrictEqual(
        [instance?.baseUrl, instance?.owner, instance?.process?.pid, instance?.health.last, instance?.health.answers],
        [upstream, "leader", process.pid, [200], 1]
      )
    })
  )

  live("shows requests and streams between processes, with their outcomes", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* NodeIPCServer.make({ port })
      yield* server.handle(Greet, (name) => (name === "" ? Effect.fail("no name") : Effect.succeed(name)))
      yield* server.handleStream(Count, (count) => Stream.range(1, count))
      const client = yield* NodeIPCClient.make({ port, runtimeId: "asking" })
      const inspector = yield* watching(port)
      const seen = inspector.until<ReadonlyArray<CallView>>("requests", (calls) => calls.length > 0)
      // The client is asked to report once it is known to be there.
      yield* Effect.repeat(
        Effect.zipRight(client.request(Greet, "Ada"), inspector.get<ReadonlyArray<CallView>>("requests")),
        {
          until: (calls) => calls.length > 0
        }
      )
      yield* Effect.ignore(client.request(Greet, ""))
      yield* Stream.runDrain(client.stream(Count, 3))
      const calls = yield* Effect.repeat(seen, { until: (all) => all.some(({ kind }) => kind === "stream") })
      const outcomes = new Set(
        calls.map(({ from, kind, name, outcome, to }) => [kind, name, from, to, outcome].join(" "))
      )
      assert.deepStrictEqual(
        outcomes,
        new Set([
          "request greet asking the leader success",
          "request greet asking the leader RequestFailed",
          "stream count asking the leader success"
        ])
      )
    })
  )

  live("tells of leaders and processes that come and go", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const first = yield* participant({ port, runtimeId: "first", warmUp: false })
      const inspector = yield* watching(port)
      yield* participant({ port, runtimeId: "second", warmUp: false })
      yield* inspector.until<ReadonlyArray<TimelineView>>("timeline", (all) =>
        all.some(({ kind }) => kind === "joined")
      )
      yield* first.leave
      const events = yield* inspector.until<ReadonlyArray<TimelineView>>("timeline", (all) =>
        all.some(({ kind, text }) => kind === "leader" && text.includes("second"))
      )
      const told = events.map(({ kind, text }) => `${kind} ${text.split(":", 1)[0]}`)
      assert.includeMembers(told, [
        "leader first leads",
        "joined second",
        "lost the connection to the leader ended",
        "leader second leads"
      ])
    })
  )

  live("records nothing while the gateway is not watched", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* echoing
      yield* ask(`${gateway}/echo/before`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const inspector = yield* watching(port)
          yield* ask(`${gateway}/echo/during`)
          yield* exchanges(inspector, 1)
        })
      )
      yield* ask(`${gateway}/echo/between`)
      const inspector = yield* watching(port)
      yield* ask(`${gateway}/echo/after`)
      const all = yield* inspector.until<ReadonlyArray<ExchangeView>>("exchanges", (seen) =>
        seen.some(({ target }) => target === "/echo/after")
      )
      // What the first watcher has made it record went with that watcher.
      assert.deepStrictEqual(
        all.map(({ target }) => target),
        ["/echo/after"]
      )
    })
  )

  live("says why a gateway can't be watched, and watches it once it can be", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* echoing
      const others = yield* Scope.make()
      const watchers = Effect.forEach(Array(16), (_, at) =>
        Effect.gen(function* () {
          const client = yield* GatewayWatch.connect({ port }, `watcher-${at}`)
          const first = yield* Deferred.make<void>()
          const seen = GatewayWatch.feed(client, Stream.empty).pipe(
            Stream.runForEach(() => Deferred.succeed(first, void 0))
          )
          yield* Effect.forkScoped(seen)
          yield* Deferred.await(first)
        })
      )
      yield* Scope.extend(watchers, others)
      const inspector = yield* openInspector(port)
      const logged: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
      yield* ConnectionLog.start(inspector.state).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.Info)
      )
      const isRefused = ({ connected, problem }: StatusView) =>
        connected && problem === "16 inspectors watch this gateway already"
      yield* inspector.until<StatusView>("status", isRefused)
      const { services } = yield* inspector.get<ServicesView>("services")
      assert.deepStrictEqual(
        services.map(({ api }) => api),
        ["echo"]
      )
      yield* Scope.close(others, Exit.void)
      yield* inspector.until<StatusView>("status", ({ problem }) => problem === undefined)
      yield* ask(`${gateway}/echo`)
      yield* exchanges(inspector, 1)
      assert.deepStrictEqual(logged, [
        `the gateway at ${gateway} isn't watched: 16 inspectors watch this gateway already`,
        `watching the gateway at ${gateway} again`
      ])
    })
  )

  live("refuses a mock that can't be one, and replays only what was recorded whole", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* echoing
      const inspector = yield* watching(port)
      const install = (mock: unknown) =>
        Effect.map(inspector.request("mocks", { method: "POST", body: JSON.stringify(mock) }), ({ status }) => status)
      for (const mock of [
        {},
        { method: "GET", path: "nowhere" },
        { method: "GET", path: "/x", status: 99 },
        { method: "GET", path: "/x", headers: [["bad name", "x"]] },
        { method: "GET", path: "/x", headers: [["x", "bad\nvalue"]] },
        { method: "GET", path: "/x", body: 1 },
        []
      ]) {
        assert.strictEqual(yield* install(mock), 400, JSON.stringify(mock))
      }
      // A path is compared, never matched as a pattern.
      assert.strictEqual(yield* install({ method: "GET", path: "/(a+)+$", status: 418 }), 200)
      yield* Effect.repeat(ask(`${gateway}/(a+)+$`), { until: ({ status }) => status === 418 })
      assert.strictEqual((yield* ask(`${gateway}/${"a".repeat(8000)}!`)).status, 404)
      yield* inspector.request("exchanges", { method: "DELETE" })
      yield* ask(`${gateway}/echo`, { method: "POST", body: "x".repeat(300_000) })
      const [large] = (yield* inspector.until<ReadonlyArray<ExchangeView>>("exchanges", (all) =>
        all.some(({ method, durationMillis }) => method === "POST" && durationMillis !== undefined)
      )).filter(({ method }) => method === "POST")
      const view = yield* inspector.get<ExchangeView>(`exchanges/${large?.id}`)
      assert.deepStrictEqual([view.requestBody.size, view.requestBody.truncated], [300_000, true])
      const replayed = yield* inspector.request(`exchanges/${large?.id}/replay`, { method: "POST" })
      assert.strictEqual(replayed.status, 409)
    })
  )
})

describe("the inspector's server", () => {
  const opened: Effect.Effect<
    Effect.Effect.Success<ReturnType<typeof openInspector>>,
    unknown,
    Scope.Scope
  > = Effect.flatMap(freePort, openInspector)

  live("answers to its own Host alone, and its JSON to its token alone", () =>
    Effect.gen(function* () {
      const { origin, token } = yield* opened
      const authorization = `Bearer ${token}`
      const { port } = new URL(origin)
      const statuses = yield* Effect.forEach(
        [
          { authorization },
          { authorization, host: `localhost:${port}` },
          { authorization, host: `evil.example:${port}` },
          { authorization, host: "127.0.0.1" },
          { authorization, host: "127.0.0.1:1" },
          { authorization, origin: "http://127.0.0.1:9000" },
          { authorization, origin: "null" },
          { authorization, origin },
          { authorization: `${authorization}x` },
          { authorization: token },
          { authorization: "" },
          { cookie: `token=${token}` },
          {}
        ],
        (headers) => raw(origin, headers)
      )
      assert.deepStrictEqual(statuses, [200, 200, 403, 403, 403, 403, 403, 200, 401, 401, 401, 401, 401])
      assert.strictEqual(yield* raw(origin, {}, `/api/status?token=${token}`), 401)
      assert.strictEqual(yield* raw(origin, { host: `evil.example:${port}` }, "/"), 403)
      const host = new URL(origin).host
      for (const other of [host, "evil.example"]) {
        const hosts = ["Host", host, "hOST", other, "authorization", authorization]
        assert.strictEqual(yield* raw(origin, hosts), 400, other)
        assert.strictEqual(yield* raw(origin, hosts, "/"), 400, other)
      }
    })
  )

  live("sends its page with a policy that lets it load nothing from elsewhere, and be in no frame", () =>
    Effect.gen(function* () {
      const { origin } = yield* opened
      for (const path of ["/", "/main.js", "/style.css", "/icon.svg"]) {
        const { headers, status } = yield* Effect.promise(() => fetch(`${origin}${path}`))
        assert.strictEqual(status, 200)
        const policy = headers.get("content-security-policy") ?? ""
        for (const part of [
          "default-src 'none'",
          "script-src 'self'",
          "connect-src 'self'",
          "frame-ancestors 'none'"
        ]) {
          assert.include(policy, part)
        }
        assert.notMatch(policy, /unsafe|\*|https?:/)
        assert.strictEqual(headers.get("cross-origin-resource-policy"), "same-origin")
        assert.strictEqual(headers.get("set-cookie"), null)
        assert.strictEqual(headers.get("access-control-allow-origin"), null)
      }
    })
  )

  live("answers strange requests with an error, and goes on", () =>
    Effect.gen(function* () {
      const { get, origin, request, token } = yield* opened
      const statuses = yield* Effect.forEach(
        [
          request("nothing"),
          request("exchanges/x"),
          request("exchanges/1/2/3"),
          request("mocks", { method: "POST", body: "{" }),
          request("mocks", { method: "POST", body: "x".repeat(3_000_000) }),
          request("%zz", { method: "DELETE" })
        ],
        Effect.map(({ status }) => status)
      )
      assert.deepStrictEqual(statuses, [404, 404, 404, 400, 400, 404])
      assert.strictEqual(yield* raw(origin, { authorization: `Bearer ${token}` }, "/../api/../x"), 404)
      assert.strictEqual((yield* get<StatusView>("status")).connected, false)
    })
  )
})
