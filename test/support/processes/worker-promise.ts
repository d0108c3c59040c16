/** A worker without Effect. */
import { WorkerClient } from "effect-ipc/testing"
import * as Requests from "../../integration/testing/requests.js"

let limit = 1

await WorkerClient.connect(async (runner) => {
  runner.handle(Requests.SetLimit, async (value) => {
    limit = value
    return value
  })
  runner.handle(Requests.GetLimit, () => limit)
  runner.handle(Requests.Greet, async () => `Hello, ${await runner.request(Requests.WhoIsThere)}!`)
})
