/** A worker without Effect: the service that knows the users. */
import { WorkerClient } from "effect-ipc/testing"
import { serve } from "./serve.js"

await WorkerClient.connect(async (runner) => {
  const baseUrl = await serve((path) => ({ id: Number(path.split("/").at(-1)), name: "Ada" }))
  await runner.register([{ api: "users", baseUrl, pathPrefix: "/users" }])
})
