/** The inspector of a gateway, in the gateway's own process: its page is asked for, and an exchange shows up in its JSON. */
import { Console, Effect, Layer } from "effect"
import { IPCServer } from "effect-ipc"
import { Inspector, NodeIPCServer } from "effect-ipc/node"

// #region inspector
/** The address has the token: it is for people who may see the traffic. */
const Page = Layer.effectDiscard(
  Effect.flatMap(Inspector.Inspector, ({ url }) =>
    Effect.zipRight(Effect.logDebug(`The inspector is at ${url}`), Console.log("The inspector is ready"))
  )
)

/** The inspector of the gateway at the port, with its page at any free port. */
const inspected = (port: number) => Page.pipe(Layer.provideMerge(Inspector.layer({ gateway: { port } })))
// #endregion

const main = Effect.gen(function* () {
  const { interceptHttp, port, url } = yield* IPCServer
  yield* interceptHttp("GET", "/hello", () => Effect.succeed("hello"))
  const watch = Effect.gen(function* () {
    const { origin, token } = yield* Inspector.Inspector
    const headers = { authorization: `Bearer ${token}` }
    const exchanges = Effect.promise(async () => {
      await fetch(`${url}/hello`)
      const response = await fetch(`${origin}/api/exchanges`, { headers })
      return (await response.json()) as ReadonlyArray<{ readonly target: string }>
    })
    const [first] = yield* Effect.repeat(Effect.delay(exchanges, "50 millis"), { until: (all) => all.length > 0 })
    yield* Console.log(`It has seen ${first?.target}`)
  })
  yield* watch.pipe(Effect.provide(inspected(port)))
}).pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer()))

await Effect.runPromise(main)
