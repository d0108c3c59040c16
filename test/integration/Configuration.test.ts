import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Discovery, IPCClient, IPCPeer, IPCServer, LeaderElection, MemoryBudget } from "effect-ipc"
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
