import { assert, describe } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { NatsDiscovery } from "effect-ipc/nats"
import { Inspector, LocalDiscovery, NodeIPCClient, NodeIPCServer, PortElection, StaticDiscovery } from "effect-ipc/node"
import { IPCClient, IPCServer } from "effect-ipc/promise"
import { MemoryIPC } from "effect-ipc/testing"
import { live } from "../support/live.js"

const versions = Object.getOwnPropertyDescriptor(process, "versions") as PropertyDescriptor

/** As the process looks to a program that Bun runs. */
const underBun = Effect.acquireRelease(
  Effect.sync(() =>
    Object.defineProperty(process, "versions", { ...versions, value: { ...process.versions, bun: "1.4.5" } })
  ),
  () => Effect.sync(() => Object.defineProperty(process, "versions", versions))
)

const reason =
  "UnsupportedRuntime: effect-ipc doesn't run on Bun 1.4.5: parts of node:http and node:net that the gateway and the connections need are missing there, and would fail in mid-use. Use Node 20.18.1 or later, or Deno 2."

describe("on a runtime that lacks what connections need", () => {
  live("layers die of it at their start, with the reason", () =>
    Effect.gen(function* () {
      yield* underBun
      for (const make of [
        NodeIPCServer.make(),
        NodeIPCClient.make(),
        PortElection.make(),
        LocalDiscovery.make(),
        Inspector.make(),
        NatsDiscovery.make()
      ]) {
        const exit = yield* Effect.exit(Effect.scoped<unknown, unknown, Scope.Scope>(make))
        assert.strictEqual(Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "made", reason)
      }
    })
  )

  live("layers that need nothing of it start", () =>
    Effect.gen(function* () {
      yield* underBun
      yield* Effect.scoped(Layer.build(MemoryIPC.layer()))
      yield* Effect.scoped(Layer.build(StaticDiscovery.layer({ users: "http://127.0.0.1:4001" })))
    })
  )

  live("the facade rejects with it", () =>
    Effect.gen(function* () {
      yield* underBun
      const rejected = yield* Effect.promise(() =>
        Promise.allSettled<unknown>([new IPCServer().start(), new IPCClient(9000).connect()])
      )
      assert.deepStrictEqual(
        rejected.map((result) => (result.status === "rejected" ? String(result.reason) : "started")),
        [reason, reason]
      )
    })
  )
})
