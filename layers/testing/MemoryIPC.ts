/**
 * A server and its clients in one process, without sockets: `TestClock` drives every timeout.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as ClientConnections from "../../src/connection/ClientConnections.js"
import { MemoryNetwork } from "../../src/connection/MemoryNetwork.js"
import * as ReconnectingClient from "../../src/connection/ReconnectingClient.js"
import { IPCClient } from "../../src/IPCClient.js"
import type { ConnectFailed } from "../../src/IPCError.js"
import { IPCPeer } from "../../src/IPCPeer.js"
import { check, type OptionNames } from "../../src/internal/OptionNames.js"
import { connectionOptionNames } from "../ipc/ConnectionOptions.js"

/**
 * How a client in memory reconnects, and its name.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryIPCOptions extends ReconnectingClient.ReconnectingClientOptions {
  /** The client's name. Default `client`. */
  readonly runtimeId?: string | undefined
}

/**
 * The types of {@link MemoryIPC}.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace MemoryIPC {
  /**
   * The network between the server and its clients, for a test to interrupt.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /** Connects another client until the scope closes. */
    readonly connect: (options?: MemoryIPCOptions) => Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope>
    /** Breaks every connection without a close frame. The clients reconnect, each by its own schedule. */
    readonly disconnect: Effect.Effect<void>
    /** Breaks every connection, and refuses new ones until `goOnline`. */
    readonly goOffline: Effect.Effect<void>
    readonly goOnline: Effect.Effect<void>
    /** Connections stay open, nothing arrives, and connecting waits, as with a stopped server, until `thaw`. */
    readonly freeze: Effect.Effect<void>
    /** Delivers what was sent meanwhile. */
    readonly thaw: Effect.Effect<void>
  }
}

/**
 * The network as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class MemoryIPC extends Context.Tag("effect-ipc/testing/MemoryIPC")<MemoryIPC, MemoryIPC.Service>() {}

/**
 * Provides an `IPCPeer`, one client that is connected to it, and the network between them.
 *
 * @example
 * ```ts
 * import { MemoryIPC } from "effect-ipc/testing"
 * import { IPCClient, IPCPeer, IPCServer } from "effect-ipc"
 * import { assert, it } from "@effect/vitest"
 * import { Effect, Fiber, TestClock } from "effect"
 *
 * const Greet = IPCServer.defineRequest<string, string>("greet")
 *
 * it.scoped("gives up after a second", () =>
 *   Effect.gen(function* () {
 *     const peer = yield* IPCPeer
 *     const client = yield* IPCClient
 *     yield* peer.handle(Greet, () => Effect.never)
 *     const asked = yield* Effect.fork(Effect.flip(client.request(Greet, "Ada", { timeout: "1 second" })))
 *     yield* TestClock.adjust("1 second")
 *     assert.strictEqual((yield* Fiber.join(asked))._tag, "RequestTimeout")
 *   }).pipe(Effect.provide(MemoryIPC.layer()))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: MemoryIPCOptions = {}): Layer.Layer<IPCPeer | IPCClient | MemoryIPC> => {
  check("MemoryIPC.layer", options, optionNames)
  return Layer.scopedContext(
    Effect.gen(function* () {
      const { network, peer } = yield* make(options)
      const client = yield* Effect.orDie(network.connect(options))
      return Context.make(IPCPeer, peer).pipe(Context.add(IPCClient, client), Context.add(MemoryIPC, network))
    })
  )
}

const optionNames: OptionNames<MemoryIPCOptions> = {
  runtimeId: true,
  connectTimeout: true,
  reconnect: true,
  ...connectionOptionNames
}

const make = Effect.fnUntraced(function* (serverOptions: MemoryIPCOptions) {
  const clients = yield* ClientConnections.make(serverOptions)
  const memory = new MemoryNetwork(clients, url)
  const disconnect = Effect.sync(() => memory.disconnect())
  const setFrozen = (frozen: boolean) => Effect.sync(() => memory.setFrozen(frozen))
  const setOnline = (online: boolean) => Effect.sync(() => memory.setOnline(online))

  const network: MemoryIPC.Service = {
    connect: (options = {}) => ReconnectingClient.make(url, memory.connect(options.runtimeId ?? "client"), options),
    disconnect,
    goOffline: Effect.zipRight(setOnline(false), disconnect),
    goOnline: setOnline(true),
    freeze: setFrozen(true),
    thaw: setFrozen(false)
  }
  return { network, peer: ClientConnections.toPeer(clients) }
})

const url = "memory://effect-ipc"
