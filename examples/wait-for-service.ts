import { Console, Effect, Fiber, Layer, ManagedRuntime, Schedule } from "effect"
import { Discovery } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"

// #region wait
/** The gateway's URL, as soon as the api is registered. */
const whenRegistered = (api: string) =>
  Effect.flatMap(Discovery, (discovery) =>
    discovery.discover(api).pipe(
      Effect.retry({
        while: (error) => error._tag === "ServiceNotRegistered",
        schedule: Schedule.spaced("100 millis")
      }),
      Effect.timeout("10 seconds")
    )
  )
// #endregion

const register = (api: string) =>
  Effect.flatMap(Discovery, (discovery) =>
    discovery.register([{ api, baseUrl: "http://127.0.0.1:4001", pathPrefix: `/${api}` }])
  )

// Each runtime stands for a process.
const caller = ManagedRuntime.make(LocalDiscovery.layerConfig())
const asking = caller.runFork(whenRegistered("users"))
await caller.runPromise(
  Effect.flatMap(Discovery, (discovery) => Effect.flip(discovery.discover("users"))).pipe(
    Effect.flatMap((error) => Console.log(error._tag))
  )
)

const users = ManagedRuntime.make(
  Layer.scopedDiscard(register("users")).pipe(Layer.provide(LocalDiscovery.layerConfig()))
)
await users.runtime()
await caller.runPromise(Effect.zipRight(Fiber.join(asking), Console.log("users is found")))
await users.dispose()
await caller.dispose()
