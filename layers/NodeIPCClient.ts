/**
 * IPCClient over WebSocket, on Node.
 *
 * @since 0.1.0
 */

import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { WebSocket } from "ws"
import * as Frame from "../src/Frame.js"
import { IPCClient } from "../src/IPCClient.js"
import { ConnectFailed } from "../src/IPCError.js"
import { defaultMaxFrameBytes } from "../src/IPCSocket.js"
import * as ReconnectingClient from "../src/ReconnectingClient.js"
import type { Transport } from "../src/Transport.js"
import { defaultHost, defaultPort } from "./defaults.js"
import * as WebSocketTransport from "./WebSocketTransport.js"

/**
 * Where to connect, and as whom.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeIPCClientOptions extends ReconnectingClient.ReconnectingClientOptions {
  /** The server's address, `http://host:port` or `ws://host:port`. This or `port` is needed. */
  readonly url?: string | undefined
  /** The server's port on 127.0.0.1. */
  readonly port?: number | undefined
  /** This client's own name, by which the server can call it. */
  readonly runtimeId?: string | undefined
  /** The server's token, where it asks for one. */
  readonly token?: string | Redacted.Redacted | undefined
  /** The path of the upgrade. Default `/__ipc`. */
  readonly path?: string | undefined
}

/**
 * Connects, and stays connected until the scope closes. Fails with `ConnectFailed` where the first attempt does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: NodeIPCClientOptions): Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope> =>
  Effect.suspend(() => {
    const base = options.url ?? `http://${defaultHost}:${options.port ?? defaultPort}`
    const url = upgradeUrl(base, options)
    return url === undefined
      ? Effect.fail(
          new ConnectFailed({ url: base, reason: "Unreachable", detail: "it isn't a URL like http://127.0.0.1:9000" })
        )
      : ReconnectingClient.make(base, connect(base, url, options), options)
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: NodeIPCClientOptions): Layer.Layer<IPCClient, ConnectFailed> =>
  Layer.scoped(IPCClient, make(options))

/**
 * The options as `IPC_URL`, or `IPC_HOST` and `IPC_PORT` (default 127.0.0.1 and 9000), `IPC_TOKEN` and `IPC_RUNTIME_ID` give them.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<NodeIPCClientOptions> = Config.all({
  url: Config.string("IPC_URL").pipe(
    Config.orElse(() =>
      Config.zipWith(
        Config.withDefault(Config.string("IPC_HOST"), defaultHost),
        Config.withDefault(Config.port("IPC_PORT"), defaultPort),
        (host, port) => `http://${host.includes(":") ? `[${host}]` : host}:${port}`
      )
    )
  ),
  token: Config.map(Config.option(Config.redacted("IPC_TOKEN")), Option.getOrUndefined),
  runtimeId: Config.map(Config.option(Config.string("IPC_RUNTIME_ID")), Option.getOrUndefined)
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<NodeIPCClientOptions> = config
): Layer.Layer<IPCClient, ConnectFailed | ConfigError> =>
  Layer.scoped(IPCClient, Effect.flatMap(Config.unwrap(options), make))

const upgradeUrl = (base: string, options: NodeIPCClientOptions): URL | undefined => {
  if (!URL.canParse(base)) return undefined
  const url = new URL(base)
  url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:"
  url.pathname = options.path ?? Frame.upgradePath
  if (options.runtimeId !== undefined) url.searchParams.set(Frame.runtimeIdParameter, options.runtimeId)
  return url
}

const connect =
  (base: string, url: URL, options: NodeIPCClientOptions): ReconnectingClient.Connect =>
  (onOpen) =>
    open(base, url, options, [Frame.plainSubprotocol, Frame.subprotocol], onOpen).pipe(
      // A server that knows no subprotocols answers none, which ws takes for a failed handshake.
      Effect.catchIf(
        (error) => error.detail === noSubprotocol,
        () => open(base, url, options, [], onOpen)
      )
    )

/** The message of ws's error. */
const noSubprotocol = "Server sent no subprotocol"

const open = (
  base: string,
  url: URL,
  options: NodeIPCClientOptions,
  subprotocols: Array<string>,
  onOpen: (transport: Transport) => void
): Effect.Effect<void, ConnectFailed> =>
  Effect.async((resume) => {
    const { token } = options
    const webSocket = new WebSocket(url, subprotocols, {
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes ?? defaultMaxFrameBytes,
      headers:
        token === undefined
          ? {}
          : { authorization: `Bearer ${Redacted.isRedacted(token) ? Redacted.value(token) : token}` }
    })
    let socket: Duplex | undefined
    const onError = (error: NodeJS.ErrnoException) => {
      resume(
        Effect.fail(
          new ConnectFailed({ url: base, reason: reasonOf(error), detail: error.message || String(error.code) })
        )
      )
    }
    webSocket.on("error", onError)
    webSocket.on("upgrade", (response) => {
      socket = response.socket
    })
    webSocket.on("unexpected-response", (request, response) => {
      readStart(response, (said) => {
        const status = response.statusCode ?? 0
        const detail = `the server answered ${status} ${response.statusMessage}${said === "" ? "" : `: ${said}`}`
        resume(Effect.fail(new ConnectFailed({ url: base, reason: "Rejected", status, detail })))
        request.destroy()
      })
    })
    webSocket.on("open", () => {
      webSocket.removeListener("error", onError)
      onOpen(WebSocketTransport.make(webSocket, socket as Duplex))
      resume(Effect.void)
    })
    return Effect.sync(() => webSocket.terminate())
  })

const reasonOf = (error: NodeJS.ErrnoException): ConnectFailed["reason"] => {
  switch (error.code) {
    case "ECONNREFUSED":
    case "ECONNRESET":
      return "Refused"
    case "ETIMEDOUT":
      return "TimedOut"
    case undefined:
      return "Rejected"
    default:
      return "Unreachable"
  }
}

/** The start of a refusal's body, for the error's message. */
const readStart = (response: IncomingMessage, onRead: (text: string) => void): void => {
  let text = ""
  let done = false
  const finish = () => {
    if (done) return
    done = true
    onRead(text.slice(0, 200).trim())
  }
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    text += chunk
    if (text.length > 200) finish()
  })
  response.on("end", finish)
  response.on("error", finish)
  response.on("close", finish)
}
