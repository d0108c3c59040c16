/**
 * Every failure the library reports, each a class that is caught by its tag here and crosses the wire unchanged.
 * Each message says what failed, where, and what to do.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { closeReason } from "./internal/ErrorMessage.js"
import { oneLine, quote } from "./internal/Printable.js"

/**
 * The port is held by another process (or another server of this one).
 *
 * @since 0.1.0
 * @category listening
 */
export class PortInUse extends Schema.TaggedError<PortInUse>("effect-ipc/PortInUse")("PortInUse", {
  host: Schema.String,
  port: Schema.Number
}) {
  override get message() {
    return `Port ${this.port} on ${this.host} is in use. Stop what listens there, or pass { port: 0 } for any free port.`
  }
}

/**
 * The server could not listen for a reason other than a port in use: no permission, an address that isn't this machine's.
 *
 * @since 0.1.0
 * @category listening
 */
export class ListenFailed extends Schema.TaggedError<ListenFailed>("effect-ipc/ListenFailed")("ListenFailed", {
  host: Schema.String,
  port: Schema.Number,
  code: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    if (this.code === "ERR_SOCKET_BAD_PORT") return `Could not listen on ${this.host}: ${this.reason}.`
    return `Could not listen on ${this.host}:${this.port}: ${this.reason} (${this.code}). Check that the host is an address of this machine and that the port may be bound.`
  }
}

/**
 * The server was asked to listen beyond the loopback interface without a token and without `allowWithoutToken`.
 *
 * @since 0.1.0
 * @category listening
 */
export class TokenRequired extends Schema.TaggedError<TokenRequired>("effect-ipc/TokenRequired")("TokenRequired", {
  host: Schema.String
}) {
  override get message() {
    return `Listening on ${this.host} lets other machines connect. Pass { token } (layerConfig reads IPC_TOKEN), which clients then present, or { allowWithoutToken: true } if none is wanted.`
  }
}

/**
 * The server was given a token that doesn't protect it: one short enough to be guessed.
 *
 * @since 0.2.0
 * @category listening
 */
export class InvalidToken extends Schema.TaggedError<InvalidToken>("effect-ipc/InvalidToken")("InvalidToken", {
  issue: Schema.String
}) {
  override get message() {
    return `The token can't be used: ${this.issue}. Pass a random one as { token } (layerConfig reads IPC_TOKEN), such as "openssl rand -hex 32" prints.`
  }
}

/**
 * Why a server can't listen.
 *
 * @since 0.2.0
 * @category listening
 */
export type ListenError = PortInUse | ListenFailed | TokenRequired | InvalidToken

/**
 * The runtime lacks what the library needs of Node. A layer that would use it dies with this error at its start.
 *
 * @since 0.2.0
 * @category listening
 */
export class UnsupportedRuntime extends Schema.TaggedError<UnsupportedRuntime>("effect-ipc/UnsupportedRuntime")(
  "UnsupportedRuntime",
  { runtime: Schema.String }
) {
  override get message() {
    return `effect-ipc doesn't run on ${this.runtime}: parts of node:http and node:net that the gateway and the connections need are missing there, and would fail in mid-use. Use Node 20.18.1 or later, or Deno 2.`
  }
}

/**
 * A client could not connect: nothing listens there, the limit passed, or the server refused the upgrade.
 *
 * @since 0.1.0
 * @category connecting
 */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>("effect-ipc/ConnectFailed")("ConnectFailed", {
  url: Schema.String,
  reason: Schema.Literal("Refused", "TimedOut", "Rejected", "Unreachable"),
  /** The HTTP status the upgrade was rejected with. */
  status: Schema.optional(Schema.Number),
  /** What the operating system or the server said. */
  detail: Schema.String
}) {
  override get message() {
    return `Could not connect to ${this.url}: ${oneLine(this.detail)}. ${connectHint(this)}`
  }
}

const connectHint = ({ reason, status, url }: ConnectFailed): string => {
  switch (reason) {
    case "Refused":
      return "Is the server running, and is the port right?"
    case "TimedOut":
      return `What holds the port doesn't answer: is it effect-ipc? ${elsewhere}`
    case "Unreachable":
      return isAddress(url) ? "Check the host." : "Pass a port as a number, or a URL like http://127.0.0.1:9000."
    case "Rejected":
      if (status === 401) return "Pass the server's token as { token } (layerConfig reads IPC_TOKEN)."
      if (status === 403)
        return "Connect by a name the server knows, or add it to the server's { allowedHosts } or { allowedOrigins }."
      if (status === 404 || status === 426)
        return `What holds the port isn't effect-ipc, or serves another { path }. ${elsewhere}`
      if (status === 503) return "The server is closing; try again."
      if (status === 400 || status === 431) return "Pass a { runtimeId } that the server takes."
      return `What holds the port isn't effect-ipc. ${elsewhere}`
  }
}

const elsewhere = "Stop it, or choose another port."

const isAddress = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { port, protocol } = new URL(text)
  return /^(?:http|ws)s?:$/.test(protocol) && port !== "0"
}

/**
 * NATS can't be used: no server was reached, it refused the credentials, or it lacks what the bucket needs.
 *
 * @since 0.2.0
 * @category connecting
 */
export class NatsFailed extends Schema.TaggedError<NatsFailed>("effect-ipc/NatsFailed")("NatsFailed", {
  reason: Schema.Literal(
    "Unreachable",
    "Refused",
    "NoJetStream",
    "TooFewReplicas",
    "InvalidOptions",
    "UnsuitableBucket",
    "Unavailable"
  ),
  servers: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `NATS at ${oneLine(this.servers)} can't be used: ${oneLine(this.detail)}. ${natsHints[this.reason]}`
  }
}

const natsHints: Readonly<Record<NatsFailed["reason"], string>> = {
  Unreachable: "Is a server running, and are { servers } right?",
  Refused: "Pass the account's { credentials }, and give it the permissions that docs/nats.md lists.",
  NoJetStream: "Start the server with JetStream (nats-server -js), and enable it for the account.",
  TooFewReplicas: "Pass { replicas } that the cluster has nodes for: 1 where there is one server.",
  InvalidOptions: "Change the option.",
  UnsuitableBucket: "Or stop all participants and delete the bucket: the next one to start makes it.",
  Unavailable: "Does the cluster have a majority of its nodes? Try again."
}

/**
 * A request's name can't be on the wire. Thrown where the request is defined.
 *
 * @since 0.1.0
 * @category requests
 */
export class InvalidRequestName extends Schema.TaggedError<InvalidRequestName>("effect-ipc/InvalidRequestName")(
  "InvalidRequestName",
  { request: Schema.String }
) {
  override get message() {
    return `${quote(this.request)} can't name a request: a name is not empty and has neither ":" nor control characters. Use "/" to group names, as in "users/get".`
  }
}

/**
 * No client with this runtimeId is connected to the server.
 *
 * @since 0.1.0
 * @category requests
 */
export class ClientNotConnected extends Schema.TaggedError<ClientNotConnected>("effect-ipc/ClientNotConnected")(
  "ClientNotConnected",
  { runtimeId: Schema.String, connected: Schema.Array(Schema.String) }
) {
  override get message() {
    const others =
      this.connected.length === 0 ? "no client is connected" : `connected: ${oneLine(this.connected.join(", "))}`
    return `No client with runtimeId ${quote(this.runtimeId)} is connected (${others}). Wait until it connects, or check the name.`
  }
}

/**
 * A request's deadline passed. A late response is dropped; whether the peer ran the request is unknown.
 *
 * @since 0.1.0
 * @category requests
 */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>("effect-ipc/RequestTimeout")("RequestTimeout", {
  request: Schema.String,
  target: Schema.String,
  /** How long was waited, in milliseconds. */
  millis: Schema.Number,
  /** Why it was never sent, where it wasn't. */
  unsent: Schema.optional(Schema.String)
}) {
  override get message() {
    if (this.unsent !== undefined) {
      return `Request ${quote(this.request)} to ${oneLine(this.target)} was not sent within ${this.millis} ms: ${oneLine(this.unsent)}.`
    }
    return `Request ${quote(this.request)} to ${oneLine(this.target)} had no answer within ${this.millis} ms. If it may take longer, give it a longer timeout.`
  }
}

/**
 * The connection closed before a response came, or was closed when the request was made.
 *
 * @since 0.1.0
 * @category requests
 */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>("effect-ipc/ConnectionClosed")(
  "ConnectionClosed",
  {
    request: Schema.String,
    target: Schema.String,
    /** The WebSocket close code, RFC 6455 section 7.4; 1006 when the connection broke without one. */
    code: Schema.Number,
    reason: Schema.String,
    /** Whether it was a stream, which had been opened. */
    stream: Schema.optional(Schema.Boolean)
  }
) {
  override get message() {
    if (this.stream === true) {
      return `Stream ${quote(this.request)} of ${oneLine(this.target)} broke off: the connection closed (${closeReason(this)}). It isn't resumed; it may be opened again.`
    }
    return `The connection to ${oneLine(this.target)} closed (${closeReason(this)}) before request ${quote(this.request)} was answered. Whether it ran there is unknown; send it again only if it may run twice.`
  }
}

/**
 * The peer has no handler for the request.
 *
 * @since 0.1.0
 * @category requests
 */
export class NoHandler extends Schema.TaggedError<NoHandler>("effect-ipc/NoHandler")("NoHandler", {
  request: Schema.String,
  target: Schema.String
}) {
  override get message() {
    return `${oneLine(this.target)} has no handler for request ${quote(this.request)}. Register one there before the request is made.`
  }
}

/**
 * The payload doesn't fit its Schema or isn't JSON. `foundBy` tells which end refused it: the caller's (nothing was
 * sent) or the peer's (the handler wasn't called).
 *
 * @since 0.1.0
 * @category requests
 */
export class InvalidPayload extends Schema.TaggedError<InvalidPayload>("effect-ipc/InvalidPayload")("InvalidPayload", {
  request: Schema.String,
  target: Schema.String,
  foundBy: Schema.Literal("caller", "peer"),
  issue: Schema.String
}) {
  override get message() {
    return this.foundBy === "caller"
      ? `The payload of request ${quote(this.request)} was not sent: ${this.issue}`
      : `The payload of request ${quote(this.request)} was refused by ${oneLine(this.target)}: ${oneLine(this.issue)}`
  }
}

/**
 * The peer's response doesn't fit the request's Schema. Do both ends share one definition of the request?
 *
 * @since 0.1.0
 * @category requests
 */
export class InvalidResponse extends Schema.TaggedError<InvalidResponse>("effect-ipc/InvalidResponse")(
  "InvalidResponse",
  { request: Schema.String, target: Schema.String, issue: Schema.String }
) {
  override get message() {
    return `The response of ${oneLine(this.target)} to request ${quote(this.request)} can't be decoded: ${oneLine(this.issue)}. Do both ends share one definition of the request?`
  }
}

/**
 * The peer's handler failed, and the request has no failure Schema by which its failure could cross typed.
 *
 * @since 0.1.0
 * @category requests
 */
export class RequestFailed extends Schema.TaggedError<RequestFailed>("effect-ipc/RequestFailed")("RequestFailed", {
  request: Schema.String,
  target: Schema.String,
  /** The message of the peer's error. */
  error: Schema.String,
  /** The `_tag` of the peer's error, where it had one. */
  tag: Schema.optional(Schema.String)
}) {
  override get message() {
    return `Request ${quote(this.request)} failed at ${oneLine(this.target)}: ${oneLine(this.error)}`
  }
}

/**
 * The request is a larger frame than one of the ends takes: it wasn't sent, or the peer refused it. Sent again, it would
 * fail again.
 *
 * @since 0.1.0
 * @category requests
 */
export class FrameTooLarge extends Schema.TaggedError<FrameTooLarge>("effect-ipc/FrameTooLarge")("FrameTooLarge", {
  request: Schema.String,
  target: Schema.String,
  /** The frame's size in bytes. */
  size: Schema.Number,
  /** The limit in bytes. */
  limit: Schema.Number
}) {
  override get message() {
    return `Request ${quote(this.request)} to ${oneLine(this.target)} would be a frame of ${this.size} bytes; the limit is ${this.limit}. Send less, or raise { maxFrameBytes } at both ends.`
  }
}

/**
 * Every way in which a request can fail, beside the failure its own Schema declares.
 *
 * @since 0.1.0
 * @category requests
 */
export type RequestError =
  | RequestTimeout
  | ConnectionClosed
  | NoHandler
  | InvalidPayload
  | InvalidResponse
  | RequestFailed
  | FrameTooLarge

/**
 * The peer doesn't understand streams: it is an older version of this library, or another program.
 *
 * @since 0.2.0
 * @category requests
 */
export class StreamsUnsupported extends Schema.TaggedError<StreamsUnsupported>("effect-ipc/StreamsUnsupported")(
  "StreamsUnsupported",
  { request: Schema.String, target: Schema.String }
) {
  override get message() {
    return `${oneLine(this.target)} doesn't understand streams, so ${quote(this.request)} can't be opened. Both ends need effect-ipc 0.2 or later.`
  }
}

/**
 * Every way in which a stream can fail, beside the failure its own Schema declares.
 *
 * @since 0.2.0
 * @category requests
 */
export type StreamError = RequestError | StreamsUnsupported

/**
 * Every way in which a message can fail to be sent.
 *
 * @since 0.1.0
 * @category requests
 */
export type NotifyError = ConnectionClosed | InvalidPayload | FrameTooLarge | RequestTimeout

/**
 * The same HTTP method and path is already routed.
 *
 * @since 0.1.0
 * @category http
 */
export class RouteConflict extends Schema.TaggedError<RouteConflict>("effect-ipc/RouteConflict")("RouteConflict", {
  method: Schema.String,
  path: Schema.String
}) {
  override get message() {
    return `${this.method} ${this.path} is already routed. Remove the other route first, or use another path.`
  }
}

/**
 * The path isn't find-my-way syntax, or the method isn't one it knows.
 *
 * @since 0.1.0
 * @category http
 */
export class InvalidRoute extends Schema.TaggedError<InvalidRoute>("effect-ipc/InvalidRoute")("InvalidRoute", {
  method: Schema.String,
  path: Schema.String,
  issue: Schema.String
}) {
  override get message() {
    return `${this.method} ${this.path} can't be routed: ${this.issue}. Paths look like /users/:id or /files/*.`
  }
}

/**
 * No instance of the api is registered.
 *
 * @since 0.1.0
 * @category discovery
 */
export class ServiceNotRegistered extends Schema.TaggedError<ServiceNotRegistered>("effect-ipc/ServiceNotRegistered")(
  "ServiceNotRegistered",
  { api: Schema.String, hint: Schema.String }
) {
  override get message() {
    return `No service is registered as ${quote(this.api)}. ${oneLine(this.hint)}`
  }
}

/**
 * The leader's registry takes no more: its `limits` bound what participants register.
 *
 * @since 0.2.0
 * @category discovery
 */
export class RegistryLimitExceeded extends Schema.TaggedError<RegistryLimitExceeded>(
  "effect-ipc/RegistryLimitExceeded"
)("RegistryLimitExceeded", {
  /** The limit's name in the options. */
  bound: Schema.Literal("maxEntriesPerParticipant", "maxEntries", "maxEntryBytes"),
  limit: Schema.Number
}) {
  override get message() {
    return `The registry takes at most ${bounds[this.bound](this.limit)}. Register less, or raise { limits: { ${this.bound} } } of every participant.`
  }
}

/**
 * The leader is an earlier version of this library, or another program, and doesn't know entries of this kind: endpoints,
 * at which services answer requests by their name, or HTTP entries with `stripPrefix`.
 *
 * @since 0.2.0
 * @category discovery
 */
export class EntryUnsupported extends Schema.TaggedError<EntryUnsupported>("effect-ipc/EntryUnsupported")(
  "EntryUnsupported",
  { api: Schema.String, feature: Schema.Literal("endpoints", "stripPrefix") }
) {
  override get message() {
    return `The leader can't register ${quote(this.api)}: it doesn't know ${this.feature}. It is an earlier version of effect-ipc, or another program; try again once every participant has 0.2 or later.`
  }
}

const bounds: Readonly<Record<RegistryLimitExceeded["bound"], (limit: number) => string>> = {
  maxEntriesPerParticipant: (limit) => `${limit} entries of one participant`,
  maxEntries: (limit) => `${limit} entries of all participants, and as many strategies`,
  maxEntryBytes: (limit) => `${limit} bytes of one entry`
}
