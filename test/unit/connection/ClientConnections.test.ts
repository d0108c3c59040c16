import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Stream from "effect/Stream"
import { IPCClient } from "effect-ipc"
import { CloseCode } from "../../../src/CloseEvent.js"
import * as ClientConnections from "../../../src/connection/ClientConnections.js"
import { makePair } from "../../../src/connection/MemoryTransport.js"
import { ScriptedTransport, settled } from "../../support/pair.js"
import { steppedBy } from "../../support/yielding.js"

describe("A fiber that awaits a client", () => {
  it.scoped.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
    "is told of it where another one is interrupted while this one has yielded before step %i",
    (step) =>
      Effect.gen(function* () {
        const clients = yield* ClientConnections.make({ heartbeat: "1 day" })
        const others = steppedBy()
        const other = Effect.runFork(clients.awaitClient("worker-1"), others)
        others.flush()
        const its = steppedBy(step)
        const fiber = Effect.runFork(clients.awaitClient("worker-1"), its)
        other.unsafeInterruptAsFork(FiberId.none)
        others.flush()
        its.flush()
        clients.accept(makePair()[1], "worker-1")
        its.flush()
        const exit = fiber.unsafePoll()
        assert.deepStrictEqual(exit && Exit.map(exit, ({ runtimeId }) => runtimeId), Exit.succeed("worker-1"))
      })
  )
})

describe("The stream of connects and disconnects", () => {
  it.scoped("keeps no more than 4,096 events for a consumer that is stuck, the newest of them", () =>
    Effect.gen(function* () {
      const clients = yield* ClientConnections.make({ heartbeat: "1 day" })
      const stuck = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const seen = yield* clients.connections.pipe(
        Stream.tap(() => Effect.zipRight(Deferred.succeed(stuck, undefined), Deferred.await(gate))),
        Stream.map(({ _tag, runtimeId }) => `${_tag} ${runtimeId}`),
        Stream.takeUntil((event) => event === "Disconnected 3000"),
        Stream.runCollect,
        Effect.fork
      )
      yield* settled
      const comeAndGo = (n: number) => {
        const [, far] = makePair()
        clients.accept(far, String(n))
        far.terminate()
      }
      comeAndGo(0)
      yield* Deferred.await(stuck)
      for (let n = 1; n <= 3000; n++) comeAndGo(n)
      yield* Deferred.succeed(gate, undefined)
      const events = [...(yield* Fiber.join(seen))]
      assert.deepStrictEqual(
        [events.length, events[0], events[1], events.at(-1)],
        [4097, "Connected 0", "Connected 953", "Disconnected 3000"]
      )
    })
  )
})

describe("A transport that ends as the first frame is sent", () => {
  /** As NATS's does where the connection to its server has closed. */
  class Ending extends ScriptedTransport {
    override send(): void {
      this.listener.onClosed({ code: CloseCode.Abnormal, reason: "closed" })
    }
  }

  it.scoped("leaves no client behind, and is told of like any other", () =>
    Effect.gen(function* () {
      const clients = yield* ClientConnections.make({ heartbeat: "1 day" })
      const seen = yield* clients.connections.pipe(
        Stream.map(({ _tag, runtimeId }) => `${_tag} ${runtimeId}`),
        Stream.take(2),
        Stream.runCollect,
        Effect.fork
      )
      yield* settled
      clients.accept(new Ending(2), "worker-1")
      assert.deepStrictEqual([...(yield* Fiber.join(seen))], ["Connected worker-1", "Disconnected worker-1"])
      yield* clients.withoutClients
      const Echo = IPCClient.defineRequest("echo")
      const error = yield* Effect.flip(clients.request("worker-1", Echo, undefined))
      assert.strictEqual(error._tag, "ClientNotConnected")
    })
  )
})
