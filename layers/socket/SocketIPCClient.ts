/**
 * IPCClient on a platform `Socket`.
 *
 * @since 0.2.0
 */

import * as Socket from "@effect/platform/Socket"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as ReconnectingClient from "../../src/connection/ReconnectingClient.js"
import type { Connect } from "../../src/connection/ReconnectingConnection.js"
import * as SocketTransport from "../../src/connection/SocketTransport.js"
import { IPCClient } from "../../src/IPCClient.js"
import { ConnectFailed } from "../../src/IPCError.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { detached } from "../../src/internal/Detached.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import { check, type OptionNames } from "../../src/internal/OptionNames.js"
import * as ConfigOptions from "../ipc/ConfigOptions.js"
import { socketOptionNames } from "../ipc/ConnectionOptions.js"

/**
 * How frames are delimited, the client's name, and how connections behave.
 *
 * @since 0.2.0
 * @category models
 */
export interface SocketIPCClientOptions
  extends ReconnectingClient.ReconnectingClientOptions,
    Partial<SocketTransport.SocketTransportOptions> {
  /** What errors and log lines call the server. Default `the socket`. */
  readonly name?: string | undefined
  /** This client's own name, by which the server can call it. Not sent with `extended: false`. */
  readonly runtimeId?: string | undefined
}

/**
 * Connects by running the socket, and runs it again when the connection is lost, until the scope closes. Fails with
 * `ConnectFailed` where the first attempt does.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: (
  options?: SocketIPCClientOptions
) => Effect.Effect<IPCClient.Service, ConnectFailed, Socket.Socket | Scope.Scope> = Effect.fnUntraced(function* (
  options: SocketIPCClientOptions = {}
) {
  check("SocketIPCClient", options, optionNames)
  const socket = yield* Socket.Socket
  const { name = "the socket", runtimeId } = options
  // Closed last, so that the client can send its close event first.
  const connections = yield* InnerScope.make

  const connect: Connect = (onOpen) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const connection = yield* Scope.fork(connections, ExecutionStrategy.sequential)
        const transport = yield* SocketTransport.make(socket, { ...options, framing: options.framing ?? "lines" }).pipe(
          restore,
          Scope.extend(connection),
          Effect.onError(() => Scope.close(connection, Exit.void)),
          Effect.mapError((error) => connectFailed(name, error))
        )
        transport.introduce(runtimeId)
        onOpen(transport)
        yield* Effect.forkIn(
          detached(Effect.zipRight(transport.closed, Scope.close(connection, Exit.void))),
          connections
        )
      })
    )
  return yield* ReconnectingClient.make(name, connect, options)
})

/**
 * Provides a client over a platform `Socket`. As {@link make}.
 *
 * @example
 * ```ts
 * import { NodeSocket } from "@effect/platform-node"
 * import { IPCClient, IPCServer } from "effect-ipc"
 * import { SocketIPCClient } from "effect-ipc/socket"
 * import { Effect, Layer } from "effect"
 *
 * const Greet = IPCServer.defineRequest<string, string>("greet")
 *
 * export const main = Effect.gen(function* () {
 *   const client = yield* IPCClient
 *   yield* Effect.log(yield* client.request(Greet, "Ada"))
 * }).pipe(
 *   Effect.provide(SocketIPCClient.layer({ runtimeId: "greeter" })),
 *   Effect.provide(NodeSocket.layerNet({ path: "/run/greeter.sock" }))
 * )
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (options?: SocketIPCClientOptions): Layer.Layer<IPCClient, ConnectFailed, Socket.Socket> =>
  Layer.scoped(IPCClient, make(options))

/**
 * The options, and where `runtimeId` isn't among them, `IPC_RUNTIME_ID`.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions.ConfigOptions<SocketIPCClientOptions> = {}
): Layer.Layer<IPCClient, ConnectFailed | ConfigError, Socket.Socket> =>
  Layer.scoped(IPCClient, Effect.flatMap(ConfigOptions.read({ runtimeId: ConfigOptions.runtimeId }, options), make))

const optionNames: OptionNames<SocketIPCClientOptions> = {
  name: ArgumentIssue.textIssue,
  runtimeId: ArgumentIssue.textIssue,
  connectTimeout: ArgumentIssue.durationIssue,
  reconnect: true,
  ...socketOptionNames
}

const connectFailed = (url: string, error: Socket.SocketError): ConnectFailed => {
  const cause = error.reason === "Close" ? undefined : (error.cause as { readonly code?: unknown } | null | undefined)
  const refused = error.reason === "Close" || cause?.code === "ECONNREFUSED" || cause?.code === "ECONNRESET"
  const timedOut = error.reason === "OpenTimeout" || cause?.code === "ETIMEDOUT"
  const reason = refused ? "Refused" : timedOut ? "TimedOut" : "Unreachable"
  return new ConnectFailed({ url, reason, detail: cause === undefined ? error.message : messageOf(cause) })
}
