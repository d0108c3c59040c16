/**
 * IPCClient over WebSocket, on Node.
 *
 * @since 0.1.0
 */

import type * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Frame from "../src/connection/Frame.js"
import { defaultMaxFrameBytes } from "../src/connection/IPCSocketOptions.js"
import * as ReconnectingClient from "../src/connection/ReconnectingClient.js"
import type { Connect } from "../src/connection/ReconnectingConnection.js"
import { IPCClient } from "../src/IPCClient.js"
import { ConnectFailed } from "../src/IPCError.js"
import * as ArgumentIssue from "../src/internal/ArgumentIssue.js"
import { check, type OptionNames } from "../src/internal/OptionNames.js"
import * as Userinfo from "../src/internal/Userinfo.js"
import { wholeNumber } from "../src/internal/WholeNumber.js"
import * as ProcessReport from "./inspector/ProcessReport.js"
import * as Address from "./ipc/Address.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"
import * as ConnectionOptions from "./ipc/ConnectionOptions.js"
import * as Credentials from "./ipc/Credentials.js"
import * as MessagePack from "./ipc/MessagePack.js"
import * as SupportedRuntime from "./ipc/SupportedRuntime.js"
import * as TokenProof from "./ipc/TokenProof.js"
import * as UpgradeRequest from "./ipc/UpgradeRequest.js"
import * as Ws from "./ipc/Ws.js"
import * as Lazily from "./Lazily.js"
import * as ProcessMemory from "./ProcessMemory.js"

export { defaultReconnect } from "../src/connection/ReconnectingClient.js"

/**
 * Where to connect, and as whom.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeIPCClientOptions extends ReconnectingClient.ReconnectingClientOptions {
  /** The server's address, `http://host:port` or `ws://host:port`. Used instead of `host` and `port`. */
  readonly url?: string | undefined
  /** The server's host. Default 127.0.0.1. */
  readonly host?: string | undefined
  /** The server's port. Default 9000. */
  readonly port?: number | undefined
  /** This client's own name, by which the server can call it: up to 256 characters, none of them control characters. */
  readonly runtimeId?: string | undefined
  /** The server's token, where it has one: at least 16 bytes. */
  readonly token?: string | Redacted.Redacted | undefined
  /**
   * How the token is used. With `proof`, the default, each end proves that it knows it and never shows it, which needs one
   * of our servers with the same token. `bearer` sends the token as it is, for other servers: whatever holds the port then
   * sees it.
   */
  readonly tokenScheme?: TokenScheme | undefined
  /** How large values travel where the server asks for the same; JSON otherwise. Default `json`. */
  readonly serialization?: "json" | "msgpack" | undefined
  /**
   * `tcp` connects by the port alone. With `any`, the default, a client of a server on this machine connects by the Unix
   * socket that the server has beside its port, where both belong to the same user; it is faster.
   */
  readonly transport?: "any" | "tcp" | undefined
  /** The path of the upgrade. Default `/__ipc`, and the original's `/__ggFrameworkConnection` where the server refuses that. */
  readonly path?: string | undefined
}

/**
 * How a client uses its token.
 *
 * @since 0.2.0
 * @category models
 */
export type TokenScheme = "proof" | "bearer"

/**
 * The names of a client's options, beside the address.
 *
 * @internal
 */
export const optionNames: OptionNames<Omit<NodeIPCClientOptions, "url" | "host" | "port">> = {
  runtimeId: ArgumentIssue.textIssue,
  token: ArgumentIssue.secretIssue,
  tokenScheme: ConnectionOptions.tokenSchemeIssue,
  transport: ArgumentIssue.oneOfIssue("any", "tcp"),
  path: ArgumentIssue.textIssue,
  serialization: ConnectionOptions.serializationIssue,
  connectTimeout: ArgumentIssue.durationIssue,
  reconnect: true,
  ...ConnectionOptions.connectionOptionNames
}

/**
 * Connects, and stays connected until the scope closes. Fails with `ConnectFailed` where the first attempt does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: NodeIPCClientOptions = {}
): Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope> =>
  Effect.suspend(() => {
    check("NodeIPCClient", options, {
      url: ArgumentIssue.textIssue,
      host: ArgumentIssue.textIssue,
      port: true,
      ...optionNames
    })
    return Effect.flatMap(connection(options), ({ base, connect }) =>
      ProcessMemory.provide(ReconnectingClient.make(base, connect, options)).pipe(
        Effect.tap(ProcessReport.install),
        // A client that has connected by a Unix socket tries the port as soon as the socket is gone.
        Effect.tap(() => Lazily.soon(Ws.load))
      )
    )
  })

/**
 * How one connection is opened. Fails where the options rule it out.
 *
 * @internal
 */
export const connection = (
  options: Omit<NodeIPCClientOptions, keyof ReconnectingClient.ReconnectingClientOptions> & {
    readonly maxFrameBytes?: number | undefined
  }
): Effect.Effect<{ readonly base: string; readonly connect: Connect }, ConnectFailed> =>
  Effect.suspend(() => {
    const given = options.url ?? Address.urlOf({ host: options.host, port: options.port ?? Address.defaultPort })
    const base = Userinfo.hidden(given)
    const unreachable = (detail: string) => Effect.fail(new ConnectFailed({ url: base, reason: "Unreachable", detail }))
    const rejected = (status: number, detail: string) =>
      Effect.fail(new ConnectFailed({ url: base, reason: "Rejected", status, detail }))
    const url = upgradeUrl(given, options)
    const token = Credentials.tokenOf(options.token)
    const port = portIn(options.url, options.port)
    if (port !== undefined && !(Address.isPort(Number(port)) && Number(port) > 0)) {
      return unreachable(`its port is a whole number from 1 to 65535, not ${ArgumentIssue.shown(port)}`)
    }
    if (url === undefined) return unreachable("it isn't a URL")
    // As the server would answer, had the request come through.
    if (!Credentials.isValidRuntimeId(options.runtimeId ?? "")) return rejected(400, Credentials.invalidRuntimeId)
    const credential = credentialOf(token, options.tokenScheme)
    if (typeof credential === "string") return rejected(401, credential)
    const target = {
      base,
      url,
      otherPath: options.path === undefined ? Frame.upgradePathAlias : undefined,
      credential,
      transport: options.transport ?? "any",
      maxFrameBytes: wholeNumber(options.maxFrameBytes, defaultMaxFrameBytes)
    }
    return SupportedRuntime.check.pipe(
      Effect.zipRight(MessagePack.serializationOf(options.serialization)),
      Effect.mapBoth({
        onFailure: ({ message }) => new ConnectFailed({ url: base, reason: "Unreachable", detail: message }),
        onSuccess: (serialization) => ({ base, connect: UpgradeRequest.connect({ ...target, serialization }) })
      })
    )
  })

/** Or why the token can't be used. */
const credentialOf = (token: string | undefined, scheme: TokenScheme = "proof"): UpgradeRequest.Credential | string => {
  if (token === undefined) return { scheme: "none" }
  if (scheme === "bearer") {
    return Credentials.fitsHeader(token)
      ? { scheme, token }
      : "the token has characters that an HTTP header can't carry"
  }
  const issue = Credentials.issueOfToken(token)
  return issue === undefined ? { scheme, key: TokenProof.keyOf(token) } : `the token can't be used: ${issue}`
}

/**
 * As {@link make}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: NodeIPCClientOptions): Layer.Layer<IPCClient, ConnectFailed> =>
  Layer.scoped(IPCClient, make(options))

const environment: ConfigOptions.Environment<NodeIPCClientOptions> = {
  host: ConfigOptions.host,
  port: ConfigOptions.knownPort,
  token: Credentials.token,
  tokenScheme: Credentials.tokenScheme,
  runtimeId: ConfigOptions.runtimeId
}

/**
 * The options as `IPC_URL` or else `IPC_HOST` and `IPC_PORT`, `IPC_TOKEN`, `IPC_TOKEN_SCHEME` and `IPC_RUNTIME_ID` give
 * them.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<NodeIPCClientOptions> = ConfigOptions.all({ url: ConfigOptions.url, ...environment })

/**
 * As {@link layer}, with the options of {@link config} where they aren't given. A `host` or `port` that is given is used
 * instead of `IPC_URL`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions.ConfigOptions<NodeIPCClientOptions> = {}
): Layer.Layer<IPCClient, ConnectFailed | ConfigError> =>
  Layer.scoped(
    IPCClient,
    Effect.gen(function* () {
      const given = yield* ConfigOptions.given(options)
      const hasAddress = given.host !== undefined || given.port !== undefined
      return yield* make(
        yield* ConfigOptions.over(hasAddress ? environment : { url: ConfigOptions.url, ...environment }, given)
      )
    })
  )

/** As it is written, since a URL whose port is none can't be parsed. */
const portIn = (url: string | undefined, port: unknown): unknown =>
  url === undefined ? port : /^\w+:\/\/[^/?#]*?:([^:/?#\]]+)(?:[/?#]|$)/.exec(url)?.[1]

const upgradeUrl = (base: string, options: Pick<NodeIPCClientOptions, "path" | "runtimeId">): URL | undefined => {
  if (!URL.canParse(base)) return undefined
  const url = new URL(base)
  url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:"
  if (url.protocol !== "wss:" && url.protocol !== "ws:") return undefined
  url.pathname = options.path ?? Frame.upgradePath
  url.hash = ""
  if (options.runtimeId !== undefined) url.searchParams.set(Frame.runtimeIdParameter, options.runtimeId)
  return url
}
