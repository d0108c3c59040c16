import { Schema } from "effect"
import { IPCClient, IPCServer } from "effect-ipc/promise"

// #region failure
class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { left: Schema.Number }) {}

const Reserve = IPCServer.defineRequest("reserve", {
  payload: Schema.Struct({ count: Schema.Number }),
  success: Schema.Void,
  failure: OutOfStock
})

const server = new IPCServer()
server.onFrameworkMessage(Reserve, async ({ count }) => {
  if (count > 4) throw new OutOfStock({ left: 4 })
})
await server.start()

const client = new IPCClient(server.getPort())
await client.connect()
try {
  await client.sendFrameworkRequest(Reserve, { count: 99 })
} catch (error) {
  if (!(error instanceof OutOfStock)) throw error
  console.log(`${error._tag}: ${error.left} left`)
}
// #endregion

await client.disconnect()
await server.teardown()
