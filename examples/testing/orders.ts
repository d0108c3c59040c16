/** A worker with Effect: the service that lists a user's orders, and asks the other service for the name. */
import { Effect } from "effect"
import { Discovery, IPCClient } from "effect-ipc"
import { WorkerClient } from "effect-ipc/testing"
import { SetLimit } from "./requests.js"
import { serve } from "./serve.js"

WorkerClient.run(
  Effect.gen(function* () {
    const runner = yield* IPCClient
    const discovery = yield* Discovery
    let limit = 2
    yield* runner.handle(SetLimit, (value) =>
      Effect.sync(() => {
        limit = value
      })
    )
    const users = yield* discovery.discover("users")
    const nameOf = async (id: string) => {
      const response = await fetch(`${users}/users/${id}`).catch(() => undefined)
      return response?.ok ? ((await response.json()) as { readonly name: string }).name : "somebody"
    }
    const baseUrl = yield* Effect.promise(() =>
      serve(async (path) => ({
        name: await nameOf(path.slice("/orders/".length)),
        orders: ["tea", "milk", "bread"].slice(0, limit)
      }))
    )
    yield* discovery.register([{ api: "orders", baseUrl, pathPrefix: "/orders" }])
  })
)
