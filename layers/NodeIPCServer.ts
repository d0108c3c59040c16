/**
 * IPCServer on Node: one http.Server carries the IPC endpoint, the HTTP routes and the gateway.
 *
 * @since 0.1.0
 */

import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ConnectedClients from "../src/ConnectedClients.js"
import { ListenFailed, PortInUse, TokenRequired } from "../src/IPCError.js"
import { IPCServer } from "../src/IPCServer.js"
import type { IPCSocketOptions } from "../src/IPCSocket.js"
import { defaultHost, defaultPort } from "./defaults.js"
import * as HttpGateway from "./http/HttpGateway.js"
import * as IPCEndpoint from "./IPCEndpoint.js"

/**
 * Where to listen, and who may connect.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeIPCServerOptions extends IPCSocketOptions {
  /** Default 0: any free port. */
  readonly port?: number | undefined
  /** Default 127.0.0.1: this machine alone. Any other needs a `token`. */
  readonly host?: string | undefined
  /** What clients have to present to connect. */
  readonly token?: string | Redacted.Redacted | undefined
  /** Says that no token is wanted although other machines can connect. */
  readonly allowWithoutToken?: boolean | undefined
  /** Origins (`https://example.com`) of web pages that may connect. Default none. */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  /** Names, beside localhost and the host's own, by which clients may address the server. */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** A larger body, in bytes, to a route is answered 413. Default 16 MiB. */
  readonly maxBodyBytes?: number | undefined
}

/**
 * Listens until the scope closes; then every connection, handler and proxied exchange is ended.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: NodeIPCServerOptions = {}
): Effect.Effect<IPCServer.Service, PortInUse | ListenFailed | TokenRequired, Scope.Scope> =>
  makePrepared(options, () => Effect.void)

/**
 * As `make`, with what has to stand before the first client is let in: its handlers, say. The port is bound by then, and
 * who connects meanwhile waits.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makePrepared = Effect.fnUntraced(function* <E, R>(
  options: NodeIPCServerOptions,
  prepare: (server: IPCServer.Service) => Effect.Effect<void, E, R>
) {
  const host = options.host ?? defaultHost
  if (!isLoopback(host) && options.token === undefined && options.allowWithoutToken !== true) {
    return yield* new TokenRequired({ host })
  }
  // First, since it is what may fail: whoever bids for a port that others bid for too learns at once who has it.
  const server = yield* acquireServer
  const port = yield* listen(server, host, options.port ?? 0)
  const letIn = holdEarly(server)

  const clients = yield* ConnectedClients.make(options)
  const gateway = yield* HttpGateway.make({ maxBodyBytes: options.maxBodyBytes ?? 16 * 1024 * 1024 })
  const endpoint = IPCEndpoint.make(clients, { ...options, host })
  const service: IPCServer.Service = {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    handle: clients.handlers.handle,
    request: (runtimeId, request, ...[payload, requestOptions]) =>
      clients.request(runtimeId, request, payload, requestOptions),
    notify: (runtimeId, request, ...[payload, requestOptions]) =>
      clients.notify(runtimeId, request, payload, requestOptions),
    broadcast: (request, ...[payload]) => clients.broadcast(request, payload),
    clients: clients.clients,
    connections: clients.connections,
    awaitClient: clients.awaitClient,
    interceptHttp: gateway.route,
    setRouteProxyResolver: gateway.setRouteProxyResolver
  }
  yield* prepare(service)

  // No new connection comes while the present ones are being ended.
  yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
  letIn({
    onRequest: (request, response) => {
      if (IPCEndpoint.isOwnPath(request.url)) endpoint.onRequest(request, response)
      else gateway.onRequest(request, response)
    },
    onUpgrade: (request, socket, head) => {
      if (IPCEndpoint.isOwnPath(request.url)) endpoint.onUpgrade(request, socket, head)
      else gateway.onUpgrade(request, socket, head)
    }
  })
  return service
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: NodeIPCServerOptions
): Layer.Layer<IPCServer, PortInUse | ListenFailed | TokenRequired> => Layer.scoped(IPCServer, make(options))

/**
 * The options as `IPC_HOST`, `IPC_PORT` (default 127.0.0.1 and 9000) and `IPC_TOKEN` give them.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<NodeIPCServerOptions> = Config.all({
  host: Config.withDefault(Config.string("IPC_HOST"), defaultHost),
  port: Config.withDefault(Config.port("IPC_PORT"), defaultPort),
  token: Config.map(Config.option(Config.redacted("IPC_TOKEN")), Option.getOrUndefined)
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<NodeIPCServerOptions> = config
): Layer.Layer<IPCServer, PortInUse | ListenFailed | TokenRequired | ConfigError> =>
  Layer.scoped(IPCServer, Effect.flatMap(Config.unwrap(options), make))

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || host.startsWith("127.")

/** Released last: by then what could end by itself has. */
const acquireServer = Effect.acquireRelease(
  Effect.sync(() => Http.createServer({ requestTimeout: 0 })),
  (server) =>
    Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
)

const listen = (server: Http.Server, host: string, port: number): Effect.Effect<number, PortInUse | ListenFailed> =>
  Effect.async((resume) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? "UNKNOWN"
      resume(
        Effect.fail(
          code === "EADDRINUSE"
            ? new PortInUse({ host, port })
            : new ListenFailed({ host, port, code, reason: error.message })
        )
      )
    })
    server.listen({ host, port }, () => resume(Effect.succeed((server.address() as AddressInfo).port)))
  })

interface Listeners {
  readonly onRequest: (request: Http.IncomingMessage, response: Http.ServerResponse) => void
  readonly onUpgrade: (request: Http.IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** Keeps those who come before the server is ready, until they are let in. */
const holdEarly = (server: Http.Server): ((listeners: Listeners) => void) => {
  const early: Array<(listeners: Listeners) => void> = []
  const onRequest: Listeners["onRequest"] = (request, response) => {
    early.push((listeners) => listeners.onRequest(request, response))
  }
  const onUpgrade: Listeners["onUpgrade"] = (request, socket, head) => {
    socket.on("error", () => {})
    early.push((listeners) => listeners.onUpgrade(request, socket, head))
  }
  server.on("request", onRequest).on("upgrade", onUpgrade)
  return (listeners) => {
    server.off("request", onRequest).off("upgrade", onUpgrade)
    server.on("request", listeners.onRequest).on("upgrade", listeners.onUpgrade)
    for (const enter of early) enter(listeners)
  }
}
