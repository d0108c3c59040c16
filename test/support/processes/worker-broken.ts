/** Workers whose setup goes wrong. */
import * as Effect from "effect/Effect"
import { WorkerClient } from "effect-ipc/testing"

if (process.argv[2] === "fails") WorkerClient.run(Effect.fail(new Error("the setup went wrong")))
else await WorkerClient.connect(() => Promise.reject(new Error("the promise went wrong")))
