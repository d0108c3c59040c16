/** Workers that are never ready, each in its way. */
import * as Effect from "effect/Effect"
import { WorkerClient } from "effect-ipc/testing"

switch (process.argv[2]) {
  case "throws":
    throw new Error("the database is missing")
  case "fails":
    WorkerClient.run(Effect.fail(new Error("the setup went wrong")))
    break
  case "rejects":
    await WorkerClient.connect(() => Promise.reject(new Error("the promise went wrong")))
    break
  case "silent":
    setInterval(() => {}, 60_000)
    break
  case "slow":
    WorkerClient.run(Effect.never)
    break
  case "stubborn":
    process.on("SIGTERM", () => {})
    WorkerClient.connect(() => new Promise(() => {}))
    break
  case "returns":
    break
}
