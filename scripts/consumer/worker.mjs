/** A worker of `imports.mjs`. */
import { IPCClient } from "effect-ipc/promise"
import { WorkerClient } from "effect-ipc/testing"

const Half = IPCClient.defineRequest("half")

await WorkerClient.connect((runner) => runner.handle(Half, (n) => n / 2))
