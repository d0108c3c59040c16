/**
 * WebSockets on the gateway: answered in place of the service, or watched on their way to it.
 *
 * @since 0.1.0
 */
import type { Duplex, Writable } from "node:stream"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { RuntimeFiber } from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as Ws from "ws"
import type {
  MockedWebSocket,
  RecordedRequest,
  RecordedWebSocket,
  RecordedWebSocketMessage,
  WebSocketHandler
} from "../../src/HttpInterception.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import type { Exchange } from "../http/NodeHttpGateway.js"
import * as UpgradedSocket from "../http/proxy/UpgradedSocket.js"
import type { Matched } from "./Matching.js"
import * as RecordedExchange from "./RecordedExchange.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface WebSocketRecorder {
  readonly maxBytes: number
  readonly now: () => number
  readonly onMessage: (message: RecordedWebSocketMessage) => void
  readonly onEnd: (webSocket: RecordedWebSocket) => void
  /** How each of those that are open is dropped. */
  readonly open: Set<() => void>
}

/**
 * Answers WebSockets by a handler, until it is ended: then those still open are closed, and their handlers interrupted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const responder = <E, R>(
  handler: WebSocketHandler<E, R>,
  runtime: Runtime.Runtime<R>,
  recorder: WebSocketRecorder
): {
  readonly answer: (exchange: Exchange, matched: Matched) => void
  readonly end: Effect.Effect<void>
} => {
  const server = new Ws.WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    handleProtocols: (offered) => offered.values().next().value ?? false
  })
  const fibers = new Set<RuntimeFiber<unknown, unknown>>()

  const answer = ({ request, response, upgrade }: Exchange, matched: Matched) => {
    if (upgrade === undefined) return
    UpgradedSocket.takeFrom(response, upgrade.socket)
    server.handleUpgrade(request, upgrade.socket, upgrade.head, (webSocket) => {
      const record = recordOf(recorder, requestOf({ request }, matched), () => webSocket.terminate())
      const inbox = Effect.runSync(Mailbox.make<string | Uint8Array>())
      webSocket.on("message", (data, isBinary) => {
        const received = isBinary ? bytesOf(data) : bytesOf(data).toString("utf8")
        record.message("client", received)
        inbox.unsafeOffer(received)
      })
      webSocket.on("error", () => {})
      webSocket.on("close", (code, reason) => {
        inbox.unsafeDone(Exit.void)
        record.end(code, reason.toString("utf8"))
      })
      const mocked: MockedWebSocket = {
        request: record.request,
        // One by one: a handler may read some of them, and the rest later.
        messages: Stream.repeatEffectOption(Effect.mapError(inbox.take, () => Option.none())),
        send: (data) =>
          Effect.sync(() => {
            if (webSocket.readyState !== Ws.WebSocket.OPEN) return
            record.message("service", data)
            webSocket.send(data)
          }),
        close: (code = 1000, reason = "") => Effect.sync(() => webSocket.close(code, reason))
      }
      const fiber = Runtime.runFork(runtime)(Effect.suspend(() => handler(mocked)))
      fibers.add(fiber)
      fiber.addObserver((exit) => {
        fibers.delete(fiber)
        if (Exit.isSuccess(exit)) return webSocket.close(1000)
        if (Cause.isInterruptedOnly(exit.cause)) return webSocket.close(1001, "the interceptor has gone")
        webSocket.close(1011, shortened(messageOf(Cause.squash(exit.cause))))
      })
    })
  }

  const end = Effect.async<void>((resume) => {
    for (const fiber of fibers) fiber.unsafeInterruptAsFork(fiber.id())
    const open = Array.from(server.clients)
    if (open.length === 0) return resume(Effect.void)
    let left = open.length
    for (const webSocket of open) {
      webSocket.once("close", () => {
        if (--left === 0) resume(Effect.void)
      })
      webSocket.close(1001, "the interceptor has gone")
      // A client that doesn't answer the close keeps nobody waiting.
      setTimeout(() => webSocket.terminate(), CLOSE_MILLIS).unref()
    }
  })
  return { answer, end }
}

/**
 * Passes the upgrade on with ears on both sides of it.
 *
 * @since 0.1.0
 * @category watching
 */
export const watch = (
  exchange: Exchange,
  matched: Matched,
  recorder: WebSocketRecorder,
  passOn: (exchange: Exchange) => void
): void => {
  const { request, upgrade } = exchange
  if (upgrade === undefined) return passOn(exchange)
  const onSwitched = (upstream: Duplex, rawHeaders: ReadonlyArray<Buffer>) => {
    upgrade.onSwitched?.(upstream, rawHeaders)
    const record = recordOf(recorder, requestOf({ request }, matched), () => upgrade.socket.destroy())
    const accepted = extensionsOf(rawHeaders)
    let closing: { readonly code: number; readonly reason: string } | undefined
    // Decompression takes its time: what was said in answer, or the end, mustn't overtake it in the record.
    const inTurn = queue()
    const listen = (from: "client" | "service", socket: Duplex) => {
      const receiver = makeReceiver(from === "client", accepted)
      receiver.on("message", (data: Buffer, isBinary: boolean) => {
        record.message(from, isBinary ? data : data.toString("utf8"))
      })
      receiver.on("conclude", (code: number, reason: Buffer) => {
        closing ??= { code, reason: reason.toString("utf8") }
      })
      // What isn't WebSocket passes as well; there's just nothing to record of it.
      receiver.on("error", () => socket.off("data", onData))
      const onData = (chunk: Buffer) => {
        // ws unmasks in place, and these bytes are on their way.
        const bytes = Buffer.from(chunk)
        inTurn((done) => receiver.write(bytes, done))
      }
      if (from === "client" && upgrade.head.length > 0) onData(upgrade.head)
      socket.on("data", onData)
    }
    listen("client", upgrade.socket)
    listen("service", upstream)
    upgrade.socket.once("close", () => inTurn(() => record.end(closing?.code ?? 1006, closing?.reason ?? "")))
  }
  passOn({ ...exchange, upgrade: { ...upgrade, onSwitched } })
}

/** Runs each task when those before it are done. */
const queue = () => {
  const tasks: Array<(done: () => void) => void> = []
  let busy = false
  const next = () => {
    const task = tasks.shift()
    busy = task !== undefined
    task?.(next)
  }
  return (task: (done: () => void) => void): void => {
    tasks.push(task)
    if (!busy) next()
  }
}

const requestOf = ({ request }: Pick<Exchange, "request">, matched: Matched): RecordedRequest =>
  RecordedExchange.requestOf(request, matched, () => Buffer.alloc(0), false)

const recordOf = (recorder: WebSocketRecorder, request: RecordedRequest, drop: () => void) => {
  const startedAt = recorder.now()
  recorder.open.add(drop)
  const messages: Array<RecordedWebSocketMessage> = []
  return {
    request,
    message: (from: "client" | "service", data: string | Uint8Array) => {
      const truncated = data.length > recorder.maxBytes
      const kept = typeof data === "string" ? data.slice(0, recorder.maxBytes) : data.slice(0, recorder.maxBytes)
      const message: RecordedWebSocketMessage = { from, data: kept, truncated, at: recorder.now() }
      if (messages.length < MAX_MESSAGES) messages.push(message)
      recorder.onMessage(message)
    },
    end: (code: number, reason: string) => {
      recorder.open.delete(drop)
      recorder.onEnd({
        request,
        messages,
        code,
        reason,
        startedAt,
        duration: Duration.millis(recorder.now() - startedAt)
      })
    }
  }
}

/** What ws exports beside what its types tell of. */
interface WsParts {
  readonly Receiver: new (options: object) => Writable
  readonly PerMessageDeflate: {
    new (options: object): { readonly accept: (parameters: ReadonlyArray<object>) => object }
    readonly extensionName: string
  }
  readonly extension: { readonly parse: (header: string) => Readonly<Record<string, ReadonlyArray<object>>> }
}

const { extension, PerMessageDeflate, Receiver } = Ws as unknown as WsParts

const makeReceiver = (isServer: boolean, accepted: string): Writable => {
  const deflate = deflateOf(isServer, accepted)
  const extensions = deflate === undefined ? {} : { [PerMessageDeflate.extensionName]: deflate }
  return new Receiver({ isServer, extensions, maxPayload: MAX_PAYLOAD })
}

const deflateOf = (isServer: boolean, accepted: string): object | undefined => {
  if (accepted === "") return undefined
  // What the service accepts passes whatever it is; it is for the client to refuse.
  try {
    const parameters = extension.parse(accepted)[PerMessageDeflate.extensionName]
    if (parameters === undefined) return undefined
    // As a client, since it is the service's own answer that is accepted, whichever side is listened to.
    const deflate = new PerMessageDeflate({ isServer: false, maxPayload: MAX_PAYLOAD })
    deflate.accept(parameters)
    return Object.assign(deflate, { _isServer: isServer })
  } catch {
    return undefined
  }
}

const extensionsOf = (rawHeaders: ReadonlyArray<Buffer>): string => {
  const values: Array<string> = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toString("latin1").toLowerCase() === "sec-websocket-extensions") {
      values.push(String(rawHeaders[i + 1]))
    }
  }
  return values.join(", ")
}

const bytesOf = (data: Ws.RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data)

/** A close frame has room for 123 bytes. */
const shortened = (reason: string): string => {
  let end = Math.min(reason.length, 123)
  while (Buffer.byteLength(reason.slice(0, end)) > 123) end--
  return reason.slice(0, end)
}

const MAX_MESSAGES = 1_000
const MAX_PAYLOAD = 100 * 1024 * 1024
const CLOSE_MILLIS = 1_000
