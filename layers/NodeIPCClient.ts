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
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Frame from "../src/connection/Frame.js"
import { defaultMaxFrameBytes } from "../src/connection/IPCSocketOptions.js"
import * as ReconnectingClient from "../src/connection/ReconnectingClient.js"
import type { Transport } from "../src/connection/Transport.js"
import { IPCClient } from "../src/IPCClient.js"
import { ConnectFailed } from "../src/IPCError.js"
import { defaultHost, defaultPort, urlOf } from "./ipc/Address.js"
import * as Credentials from "./ipc/Credentials.js"
import * as WebSocketTransport from "./ipc/WebSocketTransport.js"

export { defaultReconnect } from "../src/connection/ReconnectingClient.js"

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
  /** This client's own name, by which the server can call it: up to 256 characters, none of them control characters. */
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
    const unreachable = (detail: string) => Effect.fail(new ConnectFailed({ url: base, reason: "Unreachable", detail }))
    const rejected = (status: number, detail: string) =>
      Effect.fail(new ConnectFailed({ url: base, reason: "Rejected", status, detail }))
    const url = upgradeUrl(base, options)
    const token = Credentials.tokenOf(options.token)
    if (url === undefined) return unreachable("it isn't a URL like http://127.0.0.1:9000")
    // As the server would answer, had the request come through.
    if (!Credentials.isValidRuntimeId(options.runtimeId ?? "")) return rejected(400, Credentials.invalidRuntimeId)
    if (token !== undefined && !Credentials.isValidToken(token)) {
      return rejected(401, "the token has characters that an HTTP header can't carry")
    }
    const maxFrameBytes = options.maxFrameBytes ?? defaultMaxFrameBytes
    return ReconnectingClient.make(base, connect({ base, url, token, maxFrameBytes }), options)
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
        (host, port) => urlOf({ host, port })
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
  if (url.protocol !== "wss:" && url.protocol !== "ws:") return undefined
  url.pathname = options.path ?? Frame.upgradePath
  url.hash = ""
  if (options.runtimeId !== undefined) url.searchParams.set(Frame.runtimeIdParameter, options.runtimeId)
  return url
}

interface Target {
  /** As the user gave it. */
  readonly base: string
  readonly url: URL
  readonly token: string | undefined
  readonly maxFrameBytes: number
}

const connect =
  (target: Target): ReconnectingClient.Connect =>
  (onOpen) =>
    open(target, [Frame.plainSubprotocol, Frame.subprotocol], onOpen).pipe(
      // A server that knows no subprotocols answers none, which ws takes for a failed handshake.
      Effect.catchIf(
        (error) => error.detail === noSubprotocol,
        () => open(target, [], onOpen)
      )
    )

/** The message of ws's error. */
const noSubprotocol = "Server sent no subprotocol"

const open = (
  { base, maxFrameBytes, token, url }: Target,
  subprotocols: Array<string>,
  onOpen: (transport: Transport) => void
): Effect.Effect<void, ConnectFailed> =>
  Effect.async((resume) => {
    const fail = (reason: ConnectFailed["reason"], detail: string, status?: number) =>
      resume(Effect.fail(new ConnectFailed({ url: base, reason, status, detail })))
    const Limited = WebSocketTransport.webSocketClass(maxFrameBytes)
    const webSocket = new Limited(url, subprotocols, {
      perMessageDeflate: false,
      maxPayload: WebSocketTransport.maxPayload(maxFrameBytes),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` }
    })
    let socket: Duplex | undefined
    const onError = (error: NodeJS.ErrnoException) => fail(reasonOf(error), detailOf(error))
    webSocket.on("error", onError)
    webSocket.once("upgrade", (response) => {
      socket = response.socket
    })
    webSocket.once("unexpected-response", (request, response) => {
      readStart(response, (said) => {
        const status = response.statusCode ?? 0
        fail(
          "Rejected",
          `the server answered ${status} ${response.statusMessage}${said === "" ? "" : `: ${said}`}`,
          status
        )
        request.destroy()
      })
    })
    webSocket.once("open", () => {
      onOpen(WebSocketTransport.make(webSocket, socket as Duplex, maxFrameBytes))
      webSocket.removeListener("error", onError)
      // The program that waited for the connection registers its handlers before the first frame is read.
      webSocket.pause()
      setImmediate(() => webSocket.resume())
      resume(Effect.void)
    })
    return Effect.sync(() => webSocket.terminate())
  })

const reasonOf = ({ code }: NodeJS.ErrnoException): ConnectFailed["reason"] => {
  // What answered doesn't speak HTTP, or not WebSocket.
  if (code === undefined || code.startsWith("HPE_")) return "Rejected"
  if (code === "ECONNREFUSED" || code === "ECONNRESET") return "Refused"
  return code === "ETIMEDOUT" ? "TimedOut" : "Unreachable"
}

/** A name with several addresses fails with an error for each, and no message of its own. */
const detailOf = (error: NodeJS.ErrnoException): string => {
  if (!(error instanceof AggregateError)) return error.message || String(error.code)
  return error.errors.map((each: Error) => each.message).join("; ")
}

const maxReadLength = 4096

/** What a refusal's body says, for the error's message: its `error`, where it is JSON, or else its start. */
const readStart = (response: IncomingMessage, onRead: (text: string) => void): void => {
  let text = ""
  let done = false
  const finish = () => {
    if (done) return
    done = true
    onRead(shortened(errorOf(text) ?? text.trim()))
  }
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    text += chunk
    if (text.length > maxReadLength) finish()
  })
  response.on("end", finish)
  response.on("error", finish)
  response.on("close", finish)
}

const shortened = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text)

const errorOf = (body: string): string | undefined => Option.getOrUndefined(decodeError(body))

const decodeError = Option.liftThrowable((body: string): string => {
  const { error } = JSON.parse(body) as { readonly error: string }
  return error.replace(/\.$/, "")
})
