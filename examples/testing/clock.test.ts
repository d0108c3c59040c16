import { assert, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { IPCClient, IPCPeer, IPCServer } from "effect-ipc"
import { MemoryIPC } from "effect-ipc/testing"

const Slow = IPCServer.defineRequest<void, string>("slow")

it.scoped("a request ends after ten seconds of the test's clock, in no time", () =>
  Effect.gen(function* () {
    const peer = yield* IPCPeer
    yield* peer.handle(Slow, () => Effect.never)
    const client = yield* IPCClient
    const asking = yield* Effect.fork(Effect.flip(client.request(Slow, undefined)))
    yield* TestClock.adjust("10 seconds")
    assert.strictEqual((yield* Fiber.join(asking))._tag, "RequestTimeout")
  }).pipe(Effect.provide(MemoryIPC.layer()))
)
