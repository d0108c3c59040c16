/**
 * IPCServer on Node: one http.Server carries the IPC endpoint, the HTTP routes and the gateway.
 *
 * @since 0.1.0
 */

import * as Http from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import type * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as ClientConnections from "../src/connection/ClientConnections.js"
import type { IPCSocketOptions } from "../src/connection/IPCSocketOptions.js"
import { HttpGateway } from "../src/HttpGateway.js"
import { InvalidToken, type ListenError, ListenFailed, TokenRequired } from "../src/IPCError.js"
import { IPCPeer } from "../src/IPCPeer.js"
import { IPCServer } from "../src/IPCServer.js"
import * as ArgumentIssue from "../src/internal/ArgumentIssue.js"
import { check, type OptionNames } from "../src/internal/OptionNames.js"
import * as RunFork from "../src/internal/RunFork.js"
import * as Draining from "./http/Draining.js"
import { GatewayResponse } from "./http/GatewayResponse.js"
import * as NodeHttpGateway from "./http/NodeHttpGateway.js"
import { inTurn } from "./http/upgrade/ClientSocket.js"
import * as Feed from "./inspector/Feed.js"
import * as Address from "./ipc/Address.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"
import * as ConnectionOptions from "./ipc/ConnectionOptions.js"
import * as Credentials from "./ipc/Credentials.js"
import * as Listening from "./ipc/Listening.js"
import * as MetricsEndpoint from "./ipc/MetricsEndpoint.js"
import { noTunnel, refuse } from "./ipc/Refusal.js"
import * as SupportedRuntime from "./ipc/SupportedRuntime.js"
import * as UnixSocket from "./ipc/UnixSocket.js"
import * as UpgradeEndpoint from "./ipc/UpgradeEndpoint.js"
import * as ProcessMemory from "./ProcessMemory.js"

/**
 * Where to listen, and which clients may connect.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeIPCServerOptions extends IPCSocketOptions {
  /** Default 0: any free port. */
  readonly port?: number | undefined
  /** Default 127.0.0.1: this machine alone. Any other needs a `token`. */
  readonly host?: string | undefined
  /** Clients have to know it to connect: at least 16 bytes, best random ones. */
  readonly token?: string | Redacted.Redacted | undefined
  /** Allows a server without a token to listen where other machines can connect. */
  readonly allowWithoutToken?: boolean | undefined
  /** Origins (`https://example.com`) of web pages that may connect. Default none. */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  /**
   * Names, beside localhost and the host's own, by which clients may address the server. `name:port` where something (a
   * TLS proxy, a mapped port) forwards from that port to this server.
   */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** How values travel to and from clients that ask for the same; JSON otherwise. Default `json`. */
  readonly serialization?: "json" | "msgpack" | undefined
  /** A larger body, in bytes, to a route is answered 413. Default 16 MiB. */
  readonly maxBodyBytes?: number | undefined
  /**
   * The limit of all bodies of requests to routes that are being read or that a running handler has, in bytes. A
   * request beyond it is answered 503. Default 128 MiB.
   */
  readonly maxTotalBodyBytes?: number | undefined
  /** How long the body of a request to a route may pause; then the request is answered 408. Default 30 seconds. */
  readonly bodyIdleTimeout?: Duration.DurationInput | undefined
  /**
   * How long HTTP exchanges in flight may take to end after the scope closes. The port is free by then, and no exchange
   * begins. Default 3 seconds.
   */
  readonly drainTimeout?: Duration.DurationInput | undefined
  /**
   * Serves the metrics of the process at `/__ipc/metrics` as text for Prometheus, to clients that may connect: with a `token`,
   * as `Authorization: Bearer …`. Default false.
   */
  readonly metrics?: boolean | undefined
}

/**
 * The names of a server's options, beside the port.
 *
 * @internal
 */
export const optionNames: OptionNames<Omit<NodeIPCServerOptions, "port">> = {
  host: ArgumentIssue.textIssue,
  token: ArgumentIssue.secretIssue,
  allowWithoutToken: ArgumentIssue.flagIssue,
  allowedOrigins: ArgumentIssue.textsIssue,
  allowedHosts: ArgumentIssue.textsIssue,
  serialization: ConnectionOptions.serializationIssue,
  maxBodyBytes: ArgumentIssue.numberIssue,
  bodyIdleTimeout: ArgumentIssue.durationIssue,
  drainTimeout: ArgumentIssue.durationIssue,
  metrics: ArgumentIssue.flagIssue,
  maxTotalBodyBytes: ArgumentIssue.numberIssue,
  ...ConnectionOptions.connectionOptionNames
}

/**
 * Listens until the scope closes. Then it frees the port, closes every IPC connection, drains the HTTP exchanges in
 * flight within `drainTimeout`, and cuts the rest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: NodeIPCServerOptions = {}): Effect.Effect<IPCServer.Service, ListenError, Scope.Scope> =>
  Effect.map(makeChecked(options), ({ server }) => server)

/**
 * As `make`, with what has to be ready before the first client is accepted, such as its handlers. The port is bound by
 * then; clients that connect meanwhile wait.
 *
 * @internal
 */
export const makePrepared: <A, E, R>(
  options: NodeIPCServerOptions,
  prepare: (server: IPCServer.Service) => Effect.Effect<A, E, R>,
  bindings?: ReadonlyArray<Listening.Binding>
) => Effect.Effect<
  {
    readonly server: IPCServer.Service
    readonly gateway: HttpGateway.Service
    readonly prepared: A
    /** Frees the port and closes every client's connection, at once. HTTP exchanges go on until the scope closes. */
    readonly release: Effect.Effect<void>
    /** Completes when no client is connected. */
    readonly withoutClients: Effect.Effect<void>
  },
  ListenError | E,
  R | Scope.Scope
> = Effect.fnUntraced(function* <A, E, R>(
  options: NodeIPCServerOptions,
  prepare: (server: IPCServer.Service) => Effect.Effect<A, E, R>,
  bindings: ReadonlyArray<Listening.Binding> = Listening.only(options.host ?? Address.defaultHost)
) {
  yield* SupportedRuntime.check
  const host = options.host ?? Address.defaultHost
  const token = Credentials.tokenOf(options.token)
  if (token === undefined && !Address.isLoopback(host) && options.allowWithoutToken !== true) {
    return yield* new TokenRequired({ host })
  }
  const issue = token === undefined ? undefined : Credentials.issueOfToken(token)
  if (issue !== undefined) return yield* new InvalidToken({ issue })
  // First, since binding may fail: a participant that bids for the port then loses no time.
  const { server, sockets } = yield* acquireServer
  const serve = holdRequests(server)
  const { hosts, port, release: freePort } = yield* Listening.listen(server, bindings, options.port)
  const { release: freeUnixSocket } = hosts.some(UnixSocket.belongsTo)
    ? yield* UnixSocket.listen(Listening.forwarding(server), port)
    : { release: Effect.void }

  const clients = yield* ProcessMemory.provide(ClientConnections.make(options))
  const gateway = yield* Effect.mapError(NodeHttpGateway.make(options), notLoaded(host, port))
  yield* Effect.addFinalizer(() => Draining.drain(sockets, options.drainTimeout ?? "3 seconds"))
  const own = { ...options, host, hosts, port }
  const endpoint = yield* Effect.mapError(UpgradeEndpoint.make(clients, own), notLoaded(host, port))
  const metrics = options.metrics === true ? yield* MetricsEndpoint.make(own) : undefined
  const service: IPCServer.Service = {
    url: Address.urlOf({ host, port }),
    port,
    ...ClientConnections.toPeer(clients),
    interceptHttp: gateway.route,
    setRouteProxyResolver: gateway.proxy
  }
  yield* Feed.install(service, gateway)
  const prepared = yield* prepare(service)

  // New clients are refused, and no frame of the others is handled, before what was prepared for them is released.
  const stopExchanges = Effect.sync(() => {
    gateway.startClosing()
    Draining.closeAfterResponses(sockets)
  })
  const release = Effect.all([freeUnixSocket, freePort, clients.startClosing, stopExchanges], { discard: true })
  yield* Effect.addFinalizer(() => release)
  serve({
    onRequest: (request, response) => {
      if (UpgradeEndpoint.isOwn(request)) endpoint.onRequest(request, response)
      else if (metrics !== undefined && MetricsEndpoint.isOwn(request)) metrics(request, response)
      else gateway.onRequest(request, response)
    },
    onUpgrade: (request, socket, head) => {
      if (UpgradeEndpoint.isOwn(request)) inTurn(socket, () => endpoint.onUpgrade(request, socket, head))
      else gateway.onUpgrade(request, socket, head)
    }
  })
  return { server: service, gateway, prepared, release, withoutClients: clients.withoutClients }
})

/** The failure if a package that the server needs can't be loaded. */
const notLoaded =
  (host: string, port: number) =>
  ({ code = "UNKNOWN", message: reason }: NodeJS.ErrnoException) =>
    new ListenFailed({ host, port, code, reason })

/**
 * As {@link make}; provides the HTTP gateway on the same port, and the server as an `IPCPeer`, too.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: NodeIPCServerOptions): Layer.Layer<IPCServer | IPCPeer | HttpGateway, ListenError> =>
  Layer.scopedContext(makeWithGateway(options))

const environment: ConfigOptions.Environment<NodeIPCServerOptions> = {
  host: ConfigOptions.host,
  port: ConfigOptions.port,
  token: Credentials.token,
  metrics: ConfigOptions.metrics
}

/**
 * The options as `IPC_HOST`, `IPC_PORT`, `IPC_TOKEN` and `IPC_METRICS` give them.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<NodeIPCServerOptions> = ConfigOptions.all(environment)

/**
 * As {@link layer}, with the options of {@link config} where they aren't given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options?: ConfigOptions.ConfigOptions<NodeIPCServerOptions>
): Layer.Layer<IPCServer | IPCPeer | HttpGateway, ListenError | ConfigError> =>
  Layer.scopedContext(Effect.flatMap(ConfigOptions.read(environment, options), makeWithGateway))

const makeWithGateway = (options: NodeIPCServerOptions = {}) => Effect.map(makeChecked(options), toContext)

const makeChecked = (options: NodeIPCServerOptions) =>
  Effect.suspend(() => {
    check("NodeIPCServer", options, { port: true, ...optionNames })
    return makePrepared(options, () => Effect.void)
  })

/**
 * The services of one server.
 *
 * @internal
 */
export const toContext = ({
  gateway,
  server
}: {
  readonly gateway: HttpGateway.Service
  readonly server: IPCServer.Service
}): Context.Context<IPCServer | IPCPeer | HttpGateway> =>
  Context.make(IPCServer, server).pipe(Context.add(IPCPeer, server), Context.add(HttpGateway, gateway))

type GatewayServer = Http.Server<typeof Http.IncomingMessage, typeof GatewayResponse>

/** Released last, after the sockets that could end by themselves. */
const acquireServer: Effect.Effect<
  { readonly server: GatewayServer; readonly sockets: ReadonlySet<Socket> },
  never,
  Scope.Scope
> = Effect.acquireRelease(
  Effect.gen(function* () {
    const runFork = Runtime.runFork(yield* RunFork.runtime<never>())
    // A body may take its time; a client that doesn't get to the end of its headers is cut off.
    const server = Http.createServer({
      ServerResponse: GatewayResponse,
      highWaterMark: Listening.socketHighWaterMark,
      requestTimeout: 0,
      headersTimeout: 60_000
    })
    // Accepting may fail at any time, for example where no file descriptor is left. Open connections go on.
    server.on("error", (error) => {
      if (server.listening) runFork(Effect.logWarning(`Could not accept a connection: ${error.message}`))
    })
    // Node forgets a socket once it is upgraded, yet closes only when all have ended.
    const sockets = new Set<Socket>()
    const onClose = function (this: Socket) {
      sockets.delete(this)
    }
    // One that the gateway gives back comes again.
    server.on("connection", (socket) => {
      if (!sockets.has(socket)) sockets.add(socket.on("close", onClose))
    })
    server.on("connect", (_, socket) => {
      socket.on("error", () => {})
      inTurn(socket, () => refuse(socket, noTunnel))
    })
    const close = Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
    return { server, sockets, close }
  }),
  ({ close }) => close
)

interface Listeners {
  readonly onRequest: (request: Http.IncomingMessage, response: GatewayResponse) => void
  readonly onUpgrade: (request: Http.IncomingMessage, socket: Duplex, head: Buffer) => void
}

/**
 * Holds requests and upgrades that arrive before the server is ready; the returned function hands them to its
 * listeners.
 */
const holdRequests = (server: GatewayServer): ((listeners: Listeners) => void) => {
  const early: Array<(listeners: Listeners) => void> = []
  const onRequest: Listeners["onRequest"] = (request, response) => {
    early.push((listeners) => listeners.onRequest(request, response))
  }
  const ignore = () => {}
  const onUpgrade: Listeners["onUpgrade"] = (request, socket, head) => {
    socket.on("error", ignore)
    early.push((listeners) => {
      listeners.onUpgrade(request, socket, head)
      socket.off("error", ignore)
    })
  }
  server.on("request", onRequest).on("upgrade", onUpgrade)
  return (listeners) => {
    server.off("request", onRequest).off("upgrade", onUpgrade)
    server.on("request", listeners.onRequest).on("upgrade", listeners.onUpgrade)
    for (const enter of early) enter(listeners)
  }
}
