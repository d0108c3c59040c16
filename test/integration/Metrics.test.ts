import * as net from "node:net"
import { assert, describe } from "@effect/vitest"
import * as conventions from "@opentelemetry/semantic-conventions/incubating"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { HttpGateway, IPCServer } from "effect-ipc"
import { LocalDiscovery, NodeIPCClient, NodeIPCServer } from "effect-ipc/node"
import { live } from "../support/live.js"
import { makeRecorder, recordedBy } from "../support/spans.js"
import { type Ask, ask, serve } from "./http/support.js"

const Square = IPCServer.defineRequest<number, number>("metrics/square")
const Slow = IPCServer.defineRequest<void, void>("metrics/slow")
const Count = IPCServer.defineStream<number, number>("metrics/count")

/** The series of a metric as Prometheus reads them, by their labels. */
const seriesOf = (text: string, name: string): Record<string, number> =>
  Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const [, labels, value] = new RegExp(`^${name}(\\{.*\\})? (\\S+)$`).exec(line) ?? []
      return value === undefined ? [] : [[labels ?? "", Number(value)]]
    })
  )

const metricsOf = (url: string, options?: Ask) => Effect.map(ask(`${url}/__ipc/metrics`, options), ({ text }) => text)

/** A server that serves its metrics, with its gateway. */
const server = (options: NodeIPCServer.NodeIPCServerOptions = {}) =>
  Effect.map(Layer.build(NodeIPCServer.layer({ metrics: true, ...options })), (context) => ({
    ...Context.get(context, IPCServer),
    gateway: Context.get(context, HttpGateway)
  }))

const isConventional = (name: string) => Object.values(conventions).some((value) => value === name)

describe("The metrics for Prometheus", () => {
  live(
    "are served where they are asked for, by the option or by the environment, and else are a path like any other",
    () =>
      Effect.gen(function* () {
        const plain = yield* NodeIPCServer.make()
        assert.strictEqual((yield* ask(`${plain.url}/__ipc/metrics`)).status, 404)
        const { url } = yield* server()
        const answer = yield* ask(`${url}/__ipc/metrics?x=1`)
        assert.deepStrictEqual(
          [answer.status, answer.headers["content-type"], answer.headers["cache-control"]],
          [200, "text/plain; version=0.0.4; charset=utf-8", "no-store"]
        )
        assert.match(answer.text, /^# TYPE http_server_active_requests gauge$/m)
        assert.strictEqual((yield* ask(`${url}/__ipc/metrics`, { method: "HEAD" })).status, 200)
        assert.strictEqual((yield* ask(`${url}/__ipc/metrics`, { method: "POST", body: "x" })).status, 405)
        const environment = Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["IPC_METRICS", "true"]])))
        const configured = yield* Layer.build(
          Layer.provide(LocalDiscovery.layerStandaloneConfig({ port: 0 }), environment)
        )
        assert.include(yield* metricsOf(Context.get(configured, IPCServer).url), "effect_ipc_routes 0")
      })
  )

  live("are for clients that may use the IPC path: by Host, Origin and token", () =>
    Effect.gen(function* () {
      const token = "a-token-of-16-bytes-or-more"
      const { url } = yield* server({ token })
      const statusOf = (headers: Record<string, string>) =>
        Effect.map(ask(`${url}/__ipc/metrics`, { headers }), ({ status }) => status)
      const authorization = `Bearer ${token}`
      assert.deepStrictEqual(
        yield* Effect.all([
          statusOf({}),
          statusOf({ authorization: "Bearer wrong" }),
          statusOf({ authorization }),
          statusOf({ authorization, host: "evil.example" }),
          statusOf({ authorization, origin: "http://evil.example" })
        ]),
        [401, 401, 200, 403, 403]
      )
    })
  )

  live("show the program's own metrics, too, whatever their names and labels", () =>
    Effect.gen(function* () {
      const { url } = yield* server()
      const own = Metric.tagged(Metric.counter("own.things", { incremental: true }), "the kind", 'a "b"\n\\c')
      yield* Metric.update(own, 3)
      yield* Metric.update(Metric.frequency("own words"), "hello")
      const text = yield* metricsOf(url)
      assert.include(text, '# TYPE own_things_total counter\nown_things_total{the_kind="a \\"b\\"\\n\\\\c"} 3')
      assert.include(text, 'own_words_total{key="hello"} 1')
    })
  )
})

describe("Metrics of requests", () => {
  live("are their durations in seconds by method and outcome, at both ends, and what is in progress", () =>
    Effect.gen(function* () {
      const { handle, handleStream, port, url } = yield* server()
      const scope = yield* Scope.make()
      const before = yield* metricsOf(url)
      const client = yield* Scope.extend(NodeIPCClient.make({ port }), scope)
      yield* handle(Square, (n) => (n < 0 ? Effect.fail({ _tag: "Negative", message: "no" }) : Effect.succeed(n * n)))
      yield* handle(Slow, () => Effect.never)
      yield* handleStream(Count, () => Stream.never)
      yield* Effect.forEach([1, 2, 3], (n) => client.request(Square, n))
      yield* Effect.flip(client.request(Square, -1))
      yield* Effect.flip(client.request(Slow, undefined, { timeout: "20 millis" }))
      yield* Effect.fork(client.request(Slow))
      yield* Effect.fork(Stream.runDrain(client.stream(Count, 1)))
      yield* client.request(Square, 4)
      const during = yield* metricsOf(url)
      const grown = (name: string, now: string, then = before) => {
        const old = seriesOf(then, name)
        return Object.fromEntries(
          Object.entries(seriesOf(now, name)).flatMap(([labels, value]) => {
            const change = value - (old[labels] ?? 0)
            return change === 0 ? [] : [[labels, change]]
          })
        )
      }
      const labels = (method: string, error?: string) =>
        `{rpc_system_name="effect-ipc",rpc_method="metrics/${method}"${error === undefined ? "" : `,error_type="${error}"`}}`
      assert.deepStrictEqual(grown("rpc_client_call_duration_seconds_count", during), {
        [labels("square")]: 4,
        [labels("square", "RequestFailed")]: 1,
        [labels("slow", "RequestTimeout")]: 1
      })
      assert.deepStrictEqual(grown("rpc_server_call_duration_seconds_count", during), {
        [labels("square")]: 4,
        [labels("square", "Negative")]: 1,
        [labels("slow", "interrupted")]: 1
      })
      const [slowest = 0] = Object.values(grown("rpc_client_call_duration_seconds_sum", during)).sort((a, b) => b - a)
      assert.isTrue(slowest >= 0.02 && slowest < 5, `${slowest} s`)
      const gauges = [
        "effect_ipc_client_active_requests",
        "effect_ipc_server_active_requests",
        "effect_ipc_connections",
        "effect_ipc_streams"
      ]
      const both = { '{effect_ipc_side="client"}': 1, '{effect_ipc_side="server"}': 1 }
      assert.deepStrictEqual(
        gauges.map((name) => grown(name, during)),
        [{ "": 1 }, { "": 1 }, both, both]
      )
      yield* Scope.close(scope, Exit.void)
      const after = yield* metricsOf(url)
      assert.deepStrictEqual(
        gauges.map((name) => grown(name, after)),
        [{}, {}, {}, {}]
      )
    })
  )

  live("have the conventions' buckets", () =>
    Effect.gen(function* () {
      const { handle, port, url } = yield* server()
      const client = yield* NodeIPCClient.make({ port })
      yield* handle(Square, Effect.succeed)
      yield* client.request(Square, 1)
      const text = yield* metricsOf(url)
      const of = Object.keys(seriesOf(text, "rpc_client_call_duration_seconds_bucket"))
        .filter((labels) => labels.includes('"metrics/square",le='))
        .map((labels) => /le="(.*)"/.exec(labels)?.[1])
      // The conventions' advice, the same for all four durations.
      assert.deepStrictEqual(of, "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf".split(" "))
    })
  )
})

describe("Metrics of HTTP", () => {
  live("count the bytes of an answer until its client has them, or goes", () =>
    Effect.gen(function* () {
      const { gateway, port, url } = yield* server()
      const asked = yield* Deferred.make<void>()
      yield* gateway.route("GET", "/large", () => {
        Deferred.unsafeDone(asked, Exit.void)
        return Effect.succeed("x".repeat(8 * 1024 * 1024))
      })
      const held = Effect.map(metricsOf(url), (text) => seriesOf(text, "effect_ipc_memory_usage_bytes")[""] ?? 0)
      const before = yield* held
      const client = net.connect(port, "127.0.0.1").pause()
      client.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* Deferred.await(asked)
      assert.isAtLeast((yield* held) - before, 8 * 1024 * 1024)
      client.destroy()
      const released: Effect.Effect<void, Error> = Effect.flatMap(held, (now) =>
        now === before ? Effect.void : Effect.zipRight(Effect.yieldNow(), released)
      )
      yield* released
    })
  )

  live(
    "have as many series after 10,000 paths as after one: by route, not by path",
    () =>
      Effect.gen(function* () {
        const upstream = yield* serve({ onRequest: (_, response) => response.end() })
        const { gateway, port, url } = yield* server()
        yield* gateway.route("GET", "/things/:id", () => Effect.succeed(1))
        yield* gateway.proxy((path) =>
          path.startsWith("/proxied") ? { baseUrl: upstream.url, route: "/proxied/*" } : undefined
        )
        const send = (count: number) =>
          Effect.async<void>((resume) => {
            const socket = net.connect(port, "127.0.0.1")
            let left = count
            socket.on("data", (data) => {
              left -= data.toString("latin1").split("HTTP/1.1 ").length - 1
              if (left > 0) return
              socket.destroy()
              resume(Effect.void)
            })
            for (let i = 0; i < count; i++) {
              // The proxy takes its time for each.
              const kind = i % 50 === 1 ? "proxied" : i % 2 === 0 ? "things" : "nowhere"
              const path = `/${kind}/${count}-${i}`
              socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
            }
          })
        yield* send(4)
        const first = yield* metricsOf(url)
        yield* send(10_000)
        const last = yield* metricsOf(url)
        const namesOf = (text: string) =>
          text
            .split("\n")
            .map((line) => line.replace(/ \S+$/, ""))
            .filter((line) => !line.startsWith("#"))
        assert.deepStrictEqual(namesOf(last), namesOf(first))
        const counts = seriesOf(last, "http_server_request_duration_seconds_count")
        const of = (route: string) =>
          Object.entries(counts).filter(([labels]) => labels.includes(`http_route="${route}"`))
        assert.deepStrictEqual([of("/things/:id").length, of("/proxied/*").length], [1, 1])
        assert.isAtLeast(of("/things/:id")[0]?.[1] ?? 0, 5000)
        const sent = Object.keys(seriesOf(last, "http_client_request_duration_seconds_count"))
        assert.lengthOf(
          sent.filter((labels) => labels.includes('url_template="/proxied/*"')),
          1
        )
      }),
    30_000
  )
})

describe("The names", () => {
  live("of metrics, spans and attributes are the conventions' or the library's own", () =>
    Effect.gen(function* () {
      const recorder = makeRecorder()
      yield* Effect.gen(function* () {
        const upstream = yield* serve({ onRequest: (_, response) => response.end() })
        const { gateway, handle, port, url } = yield* server()
        const client = yield* NodeIPCClient.make({ port, runtimeId: "client" })
        yield* handle(Square, (n) => (n < 0 ? Effect.fail(new Error("no")) : Effect.succeed(n)))
        yield* client.request(Square, 1)
        yield* Effect.flip(client.request(Square, -1))
        yield* gateway.proxy(() => ({ baseUrl: upstream.url, route: "/*" }))
        yield* gateway.route("GET", "/route", () => Effect.fail(new Error("no")))
        yield* ask(`${url}/x?y=1`, { headers: { "user-agent": "test" } })
        yield* ask(`${url}/route`, { method: "PURGE" })
        yield* ask(`${url}/route`)
        yield* recorder.ended(8)
      }).pipe(Effect.scoped, recordedBy(recorder))
      const attributes = new Set(recorder.spans.flatMap((span) => [...span.attributes.keys()]))
      const metrics = Metric.unsafeSnapshot().map(({ metricKey }) => metricKey)
      const ours = metrics.filter(({ name }) => /^(rpc|http|effect_ipc)\./.test(name))
      const labels = new Set(ours.flatMap(({ tags }) => tags.map(({ key }) => key)))
      const names = [...attributes, ...labels, ...ours.map(({ name }) => name)]
      const unknown = names.filter((name) => !isConventional(name) && !name.startsWith("effect_ipc."))
      // `unit` is how Effect's exporters are told of it.
      assert.deepStrictEqual([...new Set(unknown)].sort(), ["unit"])
      assert.includeMembers(
        [...attributes],
        [
          ...["rpc.system.name", "rpc.method", "server.address", "server.port", "error.type"],
          ...["http.request.method", "http.route", "http.response.status_code", "url.path", "url.full", "url.template"]
        ]
      )
      assert.includeMembers(
        [...new Set(ours.map(({ name }) => name))],
        [
          ...["rpc.client.call.duration", "rpc.server.call.duration", "http.server.request.duration"],
          ...["http.client.request.duration", "http.server.active_requests"]
        ]
      )
    })
  )
})
