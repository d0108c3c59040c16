/**
 * One connection for programs without Effect, on a WebSocket that they opened themselves.
 *
 * @since 0.2.0
 */
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { WebSocket } from "ws"
import * as ClientConnections from "../../src/connection/ClientConnections.js"
import * as Frame from "../../src/connection/Frame.js"
import { defaultMaxFrameBytes } from "../../src/connection/IPCSocketOptions.js"
import type { BrandedRequest } from "../../src/IPCRequest.js"
import { untyped } from "../../src/IPCRequest.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as WebSocketTransport from "../ipc/WebSocketTransport.js"
import { Callbacks } from "./Callbacks.js"
import { notOpen } from "./NotOpen.js"
import { answer, PromiseHandlers } from "./PromiseHandlers.js"
import { fork, run, runSync } from "./Promises.js"

/**
 * The path at which `@grest-ts/ipc` clients connect; servers of this library accept it too.
 *
 * @since 0.2.0
 * @category constants
 */
export const INTERNAL_SOCKET_PATH: string = Frame.upgradePathAlias

/**
 * Receives a message. What it throws or rejects with is logged.
 *
 * @since 0.2.0
 * @category models
 */
export type IPCMessageHandler = (data: unknown) => unknown

/**
 * Answers a request with a value or a promise of one. What it throws or rejects with arrives at the caller as its message.
 *
 * @since 0.2.0
 * @category models
 */
export type IPCRequestHandler = (data: unknown) => unknown

/**
 * What an `IPCSocket` uses of a WebSocket of the package `ws`.
 *
 * @since 0.2.0
 * @category models
 */
export interface IPCWebSocket {
  readonly readyState: number
  readonly OPEN: number
  readonly protocol: string
  on(event: "close", listener: (code: number) => void): unknown
  on(event: "error", listener: (error: Error) => void): unknown
  terminate(): void
}

/**
 * Messages and requests in both directions over one open WebSocket. `IPCServer` and `IPCClient` make their connections
 * themselves; this is for programs that open and accept WebSockets on their own.
 *
 * A name has one handler: `onRequest` and `onMessage` replace the one before.
 *
 * @example
 * ```ts
 * import { INTERNAL_SOCKET_PATH, IPCSocket } from "effect-ipc/promise"
 * import { WebSocket } from "ws"
 *
 * const webSocket = new WebSocket(`ws://127.0.0.1:9000${INTERNAL_SOCKET_PATH}?runtimeId=worker`)
 * await new Promise((resolve) => webSocket.once("open", resolve))
 *
 * const socket = new IPCSocket(webSocket)
 * socket.onRequest("square", async (n) => Number(n) ** 2)
 * console.log(await socket.request("greet", { name: "Ada" }, 500))
 * socket.teardown()
 * ```
 *
 * @since 0.2.0
 * @category models
 */
export class IPCSocket {
  readonly #webSocket: IPCWebSocket
  readonly #scope = runSync(Scope.make())
  readonly #connection: ClientConnections.ClientConnections
  readonly #handlers = PromiseHandlers.ofRequests<[data: unknown]>()
  readonly #closeCallbacks = new Callbacks<[]>("onClose")
  readonly #errorCallbacks = new Callbacks<[error: Error]>("onError")

  /** Takes over a WebSocket. Throws `ConnectionClosed` where it isn't open. */
  constructor(webSocket: IPCWebSocket) {
    const { _socket: socket } = webSocket as unknown as { readonly _socket?: Duplex }
    if (webSocket.readyState !== webSocket.OPEN || !socket) {
      throw notOpen("IPCSocket", PEER, "The WebSocket isn't open. Await its open event first.")
    }
    this.#webSocket = webSocket
    webSocket.on("close", () => {
      this.#release()
      this.#closeCallbacks.call()
    })
    webSocket.on("error", (error) => this.#errorCallbacks.call(error))
    this.#connection = runSync(Scope.extend(ClientConnections.make({}), this.#scope))
    runSync(Scope.extend(this.#handlers.attach(this.#connection.handlers.handle as never), this.#scope))
    const transport = WebSocketTransport.make(webSocket as unknown as WebSocket, socket, defaultMaxFrameBytes)
    this.#connection.accept(transport, PEER)
  }

  /** Receives the messages of this name. */
  onMessage(path: string, handler: IPCMessageHandler): void {
    this.#handlers.set(untyped(nameOf(path)), (data) => answer(() => handler(data)))
  }

  /** Answers the requests of this name. */
  onRequest(path: string, handler: IPCRequestHandler): void {
    this.#handlers.set(untyped(nameOf(path)), (data) => answer(() => handler(data)))
  }

  /** Called when the connection has closed. */
  onClose(callback: () => unknown): void {
    this.#closeCallbacks.add(callback)
  }

  /** Called with an error of the WebSocket; the connection closes after it. */
  onError(callback: (error: Error) => unknown): void {
    this.#errorCallbacks.add(callback)
  }

  /** Sends a message. Throws `ConnectionClosed` where the connection has closed. */
  send(path: string, data?: unknown): void {
    if (!this.isConnected()) throw notOpen(path, PEER, `Message ${JSON.stringify(path)} was not sent: ${CLOSED}`)
    run(this.#connection.notify(PEER, nameOf(path), data))
  }

  /** Sends a request, and resolves with its response within the timeout. Rejects with a `RequestError`. */
  request<T = unknown>(path: string, data?: unknown, timeoutMs = 10_000): Promise<T> {
    return run(
      this.isConnected()
        ? this.#connection.request(PEER, nameOf(path), data, { timeout: timeoutMs })
        : Effect.fail(notOpen(path, PEER, `Request ${JSON.stringify(path)} was not sent: ${CLOSED}`))
    ) as Promise<T>
  }

  /** Whether the connection is open. */
  isConnected(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN
  }

  /** Ends the connection at once, without a close frame. */
  close(): void {
    this.#webSocket.terminate()
  }

  /** Fails the requests in flight and ends the connection. */
  teardown(): void {
    this.#release()
    this.close()
  }

  #release(): void {
    fork(Scope.close(this.#scope, Exit.void))
  }
}

const PEER = "the peer"

const CLOSED = "the connection has closed."

/** Checked as every request's name is. */
const nameOf = (path: string): BrandedRequest<"server", unknown, unknown> =>
  IPCServer.defineRequest<unknown, unknown>(path)
