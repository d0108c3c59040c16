import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import {
  Discovery,
  IPCClient,
  IPCPeer,
  IPCServer,
  LeaderElection,
  MemoryBudget,
  ServiceClient,
  ServiceServer
} from "effect-ipc"
import { HttpProxyUpstream } from "effect-ipc/http-proxy"
import { NatsDiscovery } from "effect-ipc/nats"
import * as Node from "effect-ipc/node"
import { LocalDiscovery, NodeIPCClient, NodeIPCServer, PortElection, StaticDiscovery } from "effect-ipc/node"
import * as OverSockets from "effect-ipc/socket"
import { live } from "../support/live.js"
import * as Port from "../support/Port.js"

const WhoAmI = IPCServer.defineRequest<void, string>("who-am-i")

const withEnv = (env: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))

const token = "a token of sixteen bytes or more"

const freePort = Effect.promise(Port.free)

describe("options that no compiler has checked", () => {
  /** What it dies of, after the name of what it is. */
  const told = (layer: unknown) =>
    Effect.map(Effect.exit(Effect.scoped(Layer.build(layer as Layer.Layer<never, unknown>))), (exit) => {
      assert.isTrue(Exit.isFailure(exit))
      return (Cause.squash((exit as Exit.Failure<never, unknown>).cause) as Error).message
    })
  const any = (options: object) => options as never

  live("are told by their names, at every module of Layers", () =>
    Effect.gen(function* () {
      const discovery = StaticDiscovery.layer({ users: "http://127.0.0.1:1" })
      const mistyped: Readonly<Record<string, unknown>> = {
        'NodeIPCServer: its options have no "prot". Did you mean "port"?': NodeIPCServer.layer(any({ prot: 1 })),
        'NodeIPCServer: its options have no "hots". Did you mean "host"?': NodeIPCServer.layerConfig(
          any({ hots: "::1" })
        ),
        'NodeIPCClient: its options have no "ulr". Did you mean "url"?': NodeIPCClient.layer(any({ ulr: "" })),
        'NodeIPCClient: its options have no "runtimeid". Did you mean "runtimeId"?': Layer.scopedDiscard(
          NodeIPCClient.make(any({ runtimeid: "me" }))
        ),
        'LocalDiscovery: its options have no "heartbeet". Did you mean "heartbeat"?': LocalDiscovery.layer(
          any({ heartbeet: 1 })
        ),
        'LocalDiscovery: its options have no "prot". Did you mean "port"?': LocalDiscovery.layerConfig(
          any({ prot: 1 })
        ),
        'LocalDiscovery: its options have no "tokn". Did you mean "token"?': LocalDiscovery.layerStandalone(
          any({ tokn: "" })
        ),
        'LocalDiscovery: limits has no "maxEntry". Did you mean "maxEntries"?': LocalDiscovery.layer(
          any({ limits: { maxEntry: 1 } })
        ),
        'PortElection: its options have no "strategy".': PortElection.layer(any({ strategy: "first" })),
        'StaticDiscovery: its options have no "strategies". Did you mean "strategy"?': StaticDiscovery.layer(
          {},
          any({ strategies: {} })
        ),
        'NatsDiscovery: its options have no "server". Did you mean "servers"?': NatsDiscovery.layer(
          any({ server: "" })
        ),
        'Inspector: its options have no "maxByte". Did you mean "maxBytes"?': Node.Inspector.layer(any({ maxByte: 1 })),
        'MemoryBudget: its options have no "maxByte". Did you mean "maxBytes"?': MemoryBudget.layer(
          any({ maxByte: 1 })
        ),
        'UndiciUpstream: its options have no "headerTimeout". Did you mean "headersTimeout"?':
          Node.UndiciUpstream.layer(any({ headerTimeout: 1 })),
        'HttpProxyUpstream: its options have no "changeOrigins". Did you mean "changeOrigin"?': HttpProxyUpstream.layer(
          any({ changeOrigins: true })
        ),
        'HttpProxyUpstream: on has no "proxyRequest".': HttpProxyUpstream.layer(
          any({ on: { proxyRequest: () => {} } })
        ),
        'ServiceServer of users: its options have no "drainTimout". Did you mean "drainTimeout"?': Layer.provide(
          ServiceServer.layer("users", () => Effect.void, any({ drainTimout: 1 })),
          discovery
        ),
        'ServiceClient of users: its options have no "timeout".': Layer.provide(
          Layer.scopedDiscard(ServiceClient.make("users", any({ timeout: 1 }))),
          discovery
        ),
        'SocketIPCServer: its options have no "frames". They take': OverSockets.SocketIPCServer.layer(
          any({ frames: "lines" })
        ),
        'SocketIPCClient: its options have no "names". Did you mean "name"?': OverSockets.SocketIPCClient.layer(
          any({ names: "" })
        ),
        'NodeIPCClient: tokenScheme is "proof" or "bearer", not "bear".': NodeIPCClient.layer(
          any({ tokenScheme: "bear" })
        ),
        'NodeIPCClient: transport is "any" or "tcp", not "unx".': NodeIPCClient.layer(any({ transport: "unx" })),
        'NodeIPCServer: serialization is "json" or "msgpack", not "cbor".': NodeIPCServer.layer(
          any({ serialization: "cbor" })
        ),
        'LocalDiscovery: heartbeat is a duration, such as "20 millis" or a number of milliseconds, not "5 secnds".':
          LocalDiscovery.layer(any({ heartbeat: "5 secnds" }))
      }
      for (const [message, layer] of Object.entries(mistyped)) {
        const said = yield* told(layer)
        assert.isTrue(said.startsWith(message), said)
      }
    })
  )

  live("are told by their names where a request or a stream is sent", () =>
    Effect.gen(function* () {
      const server = yield* IPCServer
      const client = yield* NodeIPCClient.make({ port: server.port })
      const Tail = IPCServer.defineStream<void, number>("tail")
      const said = (effect: Effect.Effect<unknown, unknown>) =>
        Effect.map(
          Effect.exit(effect),
          (exit) => (Cause.squash((exit as Exit.Failure<never, unknown>).cause) as Error).message
        )
      assert.deepStrictEqual(
        yield* Effect.forEach(
          [
            client.request(WhoAmI, undefined, any({ timout: 1 })),
            client.request(WhoAmI, undefined, any({ idempotent: true, timout: 1 })),
            client.request(WhoAmI, undefined, 200 as never),
            client.request(WhoAmI, undefined, any({ timeout: "1 secnd" })),
            client.notify(WhoAmI, undefined, any({ timout: 1 })),
            Stream.runDrain(client.stream(Tail, undefined, any({ timeout: 1 }))),
            Stream.runDrain(client.stream(Tail, undefined, any({ window: { item: 1 } })))
          ],
          said
        ),
        [
          'A request: its options have no "timout". Did you mean "timeout"? They take timeout, idempotent.',
          'A request: its options have no "timout". Did you mean "timeout"? They take timeout, idempotent.',
          "A request: its options are an object of timeout, idempotent, not a number.",
          'A request: timeout is a duration, such as "20 millis" or a number of milliseconds, not "1 secnd".',
          'A request: its options have no "timout". Did you mean "timeout"? They take timeout, idempotent.',
          'A stream: its options have no "timeout". They take acceptTimeout, idleTimeout, window.',
          'A stream: window has no "item". Did you mean "items"? It takes items, bytes.'
        ]
      )
    }).pipe(Effect.provide(NodeIPCServer.layer()))
  )
})

/** A server that tells each client its name. */
const Server = Layer.scopedDiscard(
  Effect.flatMap(IPCPeer, (peer) => peer.handle(WhoAmI, (_, { runtimeId }) => Effect.succeed(runtimeId ?? "nobody")))
)

const whoAmI = Effect.flatMap(IPCClient, (client) => client.request(WhoAmI))

describe("layerConfig", () => {
  it("stands beside layer in every module of Layers", () => {
    const modules = Object.entries({ ...Node, ...OverSockets }).filter(([, module]) => "layer" in module)
    assert.isAbove(modules.length, 6)
    assert.deepStrictEqual(
      modules.filter(([, module]) => !("layerConfig" in module)),
      []
    )
  })

  live("a server takes any free port where neither the options nor IPC_PORT name one", () =>
    Effect.gen(function* () {
      const ports = yield* Effect.forEach(
        [NodeIPCServer.layer(), NodeIPCServer.layerConfig(), NodeIPCServer.layerConfig(NodeIPCServer.config)],
        (layer) =>
          Effect.provide(
            Effect.map(IPCServer, ({ port }) => port),
            layer
          )
      ).pipe(withEnv({}))
      assert.isFalse(ports.includes(0) || ports.includes(9000))
    })
  )

  live("an empty variable counts as missing, in every module", () =>
    Effect.gen(function* () {
      const names = [
        ...["IPC_HOST", "IPC_PORT", "IPC_URL", "IPC_TOKEN", "IPC_TOKEN_SCHEME", "IPC_RUNTIME_ID", "IPC_METRICS"],
        ...["IPC_INSPECTOR_PORT", "IPC_NAMESPACE", "IPC_ADVERTISE", "NATS_URL", "NATS_USER", "NATS_PASSWORD"],
        ...["NATS_TOKEN", "NATS_NKEY_SEED", "NATS_CREDS", "NATS_CA", "NATS_CERT", "NATS_KEY"]
      ]
      const configs: ReadonlyArray<Config.Config<unknown>> = [
        NodeIPCServer.config,
        NodeIPCClient.config,
        PortElection.config,
        LocalDiscovery.config,
        Node.Inspector.config,
        NatsDiscovery.config
      ]
      for (const empty of ["", " "]) {
        const env = Object.fromEntries(names.map((name) => [name, empty]))
        for (const config of configs) {
          assert.deepStrictEqual(yield* withEnv(env)(config), yield* withEnv({})(config))
        }
        const layers = [
          StaticDiscovery.layerConfig({ users: "http://127.0.0.1:1" }),
          MemoryBudget.layerConfig(Config.succeed({ maxBytes: 1 }))
        ]
        for (const layer of layers) yield* Effect.scoped(Layer.build(layer)).pipe(withEnv({ IPC_SERVICES: empty }))
        const error = yield* Layer.build(MemoryBudget.layerConfig()).pipe(
          withEnv({ IPC_MAX_MEMORY: empty }),
          Effect.flip
        )
        assert.include(String(error), "Expected IPC_MAX_MEMORY to exist in the process context, and it is empty")
      }
    })
  )

  live("IPC_PORT=0 is for a server alone: participants and clients would never meet", () =>
    Effect.gen(function* () {
      const read = <A>(config: Config.Config<A>) => Effect.either(withEnv({ IPC_PORT: "0" })(config))
      assert.include(yield* read(NodeIPCServer.config).pipe(Effect.flatten), { port: 0 })
      for (const config of [NodeIPCClient.config, PortElection.config, LocalDiscovery.config]) {
        const error = yield* Effect.flip(Effect.flatten(read<unknown>(config)))
        assert.include(String(error), 'at IPC_PORT: "Expected a port, a whole number from 1 to 65535, not "0"')
      }
    })
  )

  live("what is given counts, as a value or a Config, and the variable only where nothing is given", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const env = {
        IPC_PORT: "not a port",
        IPC_TOKEN: "of the environment, unused",
        MY_TOKEN: token,
        IPC_HOST: "127.0.0.1"
      }
      const server = NodeIPCServer.layerConfig({ port, token: Config.redacted("MY_TOKEN"), heartbeat: undefined })
      const client = NodeIPCClient.layerConfig({ port, token: Redacted.make(token), runtimeId: Config.succeed("me") })
      const name = yield* whoAmI.pipe(
        Effect.provide(Layer.provideMerge(client, Layer.provideMerge(Server, server))),
        withEnv(env)
      )
      assert.strictEqual(name, "me")
      const error = yield* Effect.provide(whoAmI, NodeIPCClient.layerConfig({ token })).pipe(withEnv(env), Effect.flip)
      assert.include(String(error), "IPC_PORT")
    })
  )

  live("a port or a host that is given to a client counts more than IPC_URL", () =>
    Effect.gen(function* () {
      const { port } = yield* IPCServer
      const env = { IPC_URL: "http://127.0.0.1:1", IPC_HOST: "localhost", IPC_RUNTIME_ID: "from-env" }
      const ask = (
        options: Parameters<typeof NodeIPCClient.layerConfig>[0],
        more: Readonly<Record<string, string>> = {}
      ) =>
        Effect.provide(whoAmI, NodeIPCClient.layerConfig(options)).pipe(
          withEnv({ ...env, ...more }),
          Effect.catchTag("ConnectFailed", ({ url }) => Effect.succeed(url))
        )
      assert.deepStrictEqual(
        [
          yield* ask({}),
          yield* ask({ port }),
          yield* ask({ host: "127.0.0.1" }, { IPC_PORT: String(port) }),
          yield* ask({ url: `ws://127.0.0.1:${port}`, runtimeId: "given" }),
          yield* ask(Config.succeed({ port }))
        ],
        ["http://127.0.0.1:1", "from-env", "from-env", "given", "from-env"]
      )
    }).pipe(Effect.provide(Layer.provideMerge(Server, NodeIPCServer.layer())))
  )

  live("participants meet at IPC_PORT, or at the port that is given", () =>
    Effect.gen(function* () {
      const [elected, discovering] = [yield* freePort, yield* freePort]
      const role = Effect.flatMap(LeaderElection, (election) => election.role)
      const leading = yield* Layer.build(PortElection.layerConfig()).pipe(withEnv({ IPC_PORT: String(elected) }))
      const roles = [
        yield* Effect.provide(role, leading),
        yield* Effect.provide(role, PortElection.layerConfig({ port: elected })).pipe(withEnv({ IPC_PORT: "1" }))
      ]
      assert.deepStrictEqual(roles, ["leader", "follower"])

      const owner = Effect.gen(function* () {
        const discovery = yield* Discovery
        yield* discovery.register([{ api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" }])
        const routes = yield* discovery.routes
        return [routes[0]?.owner, yield* discovery.discover("users")]
      })
      const env = { IPC_PORT: String(discovering), IPC_RUNTIME_ID: "from-env" }
      assert.deepStrictEqual(
        yield* Effect.scoped(owner).pipe(
          Effect.provide(LocalDiscovery.layerStandaloneConfig({ runtimeId: "gateway" })),
          withEnv(env)
        ),
        ["gateway", `http://127.0.0.1:${discovering}`]
      )
    })
  )

  it.effect("services that are given are laid over IPC_SERVICES", () =>
    Effect.gen(function* () {
      const routes = yield* (yield* Discovery).routes
      assert.deepStrictEqual(
        routes.map(({ api, baseUrl }) => [api, baseUrl]),
        [
          ["users", "http://127.0.0.1:1"],
          ["orders", "http://127.0.0.1:4"],
          ["files", "http://127.0.0.1:5"]
        ]
      )
    }).pipe(
      Effect.provide(StaticDiscovery.layerConfig({ orders: "http://127.0.0.1:4", files: Config.string("FILES_URL") })),
      withEnv({
        IPC_SERVICES: "users=http://127.0.0.1:1, orders=http://127.0.0.1:2",
        FILES_URL: "http://127.0.0.1:5"
      })
    )
  )
})
