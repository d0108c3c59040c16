/**
 * An IPCPeer on a platform `SocketServer`: each connection that it accepts is a client.
 *
 * @since 0.2.0
 */

import type * as Socket from "@effect/platform/Socket"
import * as SocketServer from "@effect/platform/SocketServer"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { CloseCode } from "../../src/CloseEvent.js"
import * as ClientConnections from "../../src/connection/ClientConnections.js"
import type { IPCSocketOptions } from "../../src/connection/IPCSocketOptions.js"
import * as SocketTransport from "../../src/connection/SocketTransport.js"
import { IPCPeer } from "../../src/IPCPeer.js"
import { detached } from "../../src/internal/Detached.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import { check } from "../../src/internal/OptionNames.js"
import * as ConfigOptions from "../ipc/ConfigOptions.js"
import { socketOptionNames } from "../ipc/ConnectionOptions.js"
import { invalidRuntimeId, isValidRuntimeId } from "../ipc/Credentials.js"

/**
 * How frames are delimited, and how connections behave.
 *
 * @since 0.2.0
 * @category models
 */
export interface SocketIPCServerOptions extends IPCSocketOptions, Partial<SocketTransport.SocketTransportOptions> {}

/**
 * Serves the connections of the socket server until the scope closes. There is no token: any process that can connect
 * to the socket is a client.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: (
  options?: SocketIPCServerOptions
) => Effect.Effect<IPCPeer, never, SocketServer.SocketServer | Scope.Scope> = Effect.fnUntraced(function* (
  options: SocketIPCServerOptions = {}
) {
  check("SocketIPCServer", options, socketOptionNames)
  const server = yield* SocketServer.SocketServer
  // Closed last, so that the connections can send their close events first.
  const accepting = yield* InnerScope.make
  const clients = yield* ClientConnections.make(options)

  const serve = Effect.fnUntraced(function* (socket: Socket.Socket) {
    const transport = yield* SocketTransport.make(socket, { ...options, framing: options.framing ?? "lines" })
    const runtimeId = yield* Effect.timeoutTo(transport.introduced, {
      duration: introductionLimit,
      onSuccess: (name) => name,
      onTimeout: () => undefined
    })
    if (isValidRuntimeId(runtimeId ?? "")) clients.accept(transport, runtimeId)
    else transport.close({ code: CloseCode.PolicyViolation, reason: invalidRuntimeId })
    yield* transport.closed
  }, Effect.scoped)

  yield* server.run(serve).pipe(
    Effect.catchAllCause((cause) => Effect.logError("The socket server failed; it accepts no more connections", cause)),
    detached,
    Effect.forkIn(accepting)
  )
  return ClientConnections.toPeer(clients)
})

/**
 * Provides a peer for the clients of a platform `SocketServer`. As {@link make}.
 *
 * @example
 * ```ts
 * import { NodeSocketServer } from "@effect/platform-node"
 * import { IPCPeer, IPCServer } from "effect-ipc"
 * import { SocketIPCServer } from "effect-ipc/socket"
 * import { Effect, Layer } from "effect"
 *
 * const Greet = IPCServer.defineRequest<string, string>("greet")
 *
 * const Greeter = Layer.scopedDiscard(
 *   Effect.gen(function* () {
 *     const peer = yield* IPCPeer
 *     yield* peer.handle(Greet, (name) => Effect.succeed(`Hello, ${name}!`))
 *   })
 * )
 *
 * export const Live = Greeter.pipe(
 *   Layer.provide(SocketIPCServer.layer()),
 *   Layer.provide(NodeSocketServer.layer({ path: "/run/greeter.sock" }))
 * )
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (options?: SocketIPCServerOptions): Layer.Layer<IPCPeer, never, SocketServer.SocketServer> =>
  Layer.scoped(IPCPeer, make(options))

/**
 * The options as Config gives them.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions.ConfigOptions<SocketIPCServerOptions> = {}
): Layer.Layer<IPCPeer, ConfigError, SocketServer.SocketServer> =>
  Layer.scoped(IPCPeer, Effect.flatMap(ConfigOptions.given(options), make))

/** How long to wait for a client's name, before the client counts as one without a name. */
const introductionLimit = "5 seconds"
