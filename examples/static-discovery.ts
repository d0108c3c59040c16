import { ConfigProvider, Console, Effect, Layer } from "effect"
import { Discovery } from "effect-ipc"
import { StaticDiscovery } from "effect-ipc/node"

// #region static
const InCode = StaticDiscovery.layer({ users: "http://127.0.0.1:4001" })

const FromEnvironment = StaticDiscovery.layerConfig().pipe(
  Layer.provide(
    Layer.setConfigProvider(
      ConfigProvider.fromMap(
        new Map([
          [
            "IPC_SERVICES",
            "users=http://127.0.0.1:4001, users=http://127.0.0.1:4002, files:/files=http://127.0.0.1:4003"
          ]
        ])
      )
    )
  )
)

const find = (api: string) =>
  Effect.flatMap(Discovery, (discovery) =>
    Effect.flatMap(discovery.discover(api), (url) => Console.log(`${api}: ${url}`))
  )
// #endregion

await Effect.runPromise(find("users").pipe(Effect.provide(InCode)))
await Effect.runPromise(find("files").pipe(Effect.provide(FromEnvironment)))
