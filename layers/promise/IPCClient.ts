/**
 * The client for programs without Effect: `NodeIPCClient` with promises.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ClientRequestOptions, Status } from "../../src/IPCClient.js"
import { IPCClient as Service } from "../../src/IPCClient.js"
import type { Arguments, BrandedRequest, ClientRequest, ServerRequest } from "../../src/IPCRequest.js"
import { nameOf, untyped } from "../../src/IPCRequest.js"
import type { ClientStream, ServerStream } from "../../src/IPCStream.js"
import { untypedStream } from "../../src/IPCStream.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import { check } from "../../src/internal/OptionNames.js"
import * as Userinfo from "../../src/internal/Userinfo.js"
import { defaultHost } from "../ipc/Address.js"
import * as NodeIPCClient from "../NodeIPCClient.js"
import * as CallArguments from "./CallArguments.js"
import { Callbacks } from "./Callbacks.js"
import { asyncDispose } from "./Disposal.js"
import type { ElementStream } from "./ElementStream.js"
import { notOpen } from "./NotOpen.js"
import { PeerHandlers } from "./PeerHandlers.js"
import type { OpenStreamArguments, PromiseStreamHandler, StreamContext } from "./PromiseStreams.js"
import { openStream } from "./PromiseStreams.js"
import { handled, run } from "./Promises.js"
import { Session } from "./Session.js"

/**
 * How to connect, beside where.
 *
 * @since 0.1.0
 * @category models
 */
export type IPCClientOptions = Omit<NodeIPCClient.NodeIPCClientOptions, "host" | "port" | "url">

/**
 * Sends requests to the server and answers the server's, over a connection that reconnects by itself.
 *
 * Handlers and callbacks may be registered at any time, before `connect` too. A request's handler replaces the one before.
 *
 * Failures reject with the tagged errors of `effect-ipc`. A rejection that isn't awaited never ends the process.
 *
 * @example
 * ```ts
 * import { IPCClient, IPCServer } from "effect-ipc/promise"
 *
 * const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
 * const Reload = IPCClient.defineRequest<{ readonly force: boolean }, void>("reload")
 *
 * const client = new IPCClient(9000)
 * client.onFrameworkRequest(Reload, async ({ force }) => console.log(`reloading${force ? " by force" : ""}`))
 * client.onClose(() => console.log("the connection was lost"))
 *
 * await client.connect("greeter")
 * console.log(await client.sendFrameworkRequest(Greet, { name: "Ada" }, 500))
 * await client.disconnect()
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class IPCClient {
  /**
   * Defines a request that a client answers: branded, or with Schemas.
   *
   * @since 0.1.0
   */
  static readonly defineRequest: typeof Service.defineRequest = Service.defineRequest

  /**
   * Defines a stream that a client answers: branded, or with Schemas.
   *
   * @since 0.2.0
   */
  static readonly defineStream: typeof Service.defineStream = Service.defineStream

  readonly #url: string
  readonly #options: IPCClientOptions
  readonly #handlers = new PeerHandlers()
  readonly #closeCallbacks = new Callbacks<[]>("onClose")
  readonly #session = new Session<Service.Service>()
  #runtimeId: string | undefined
  #connected = false
  /** Calls of connect that wait until the client has reconnected. */
  readonly #reconnecting: Array<() => void> = []

  /** The server's port on 127.0.0.1, or its address, `http://host:port` or `ws://host:port`. */
  constructor(address: number | string, options: IPCClientOptions = {}) {
    CallArguments.checkAddress("new IPCClient", address)
    this.#url = typeof address === "number" ? `http://${defaultHost}:${address}` : address
    check("new IPCClient(address, options)", options, NodeIPCClient.optionNames)
    this.#options = options
  }

  /**
   * Connects, with the name by which the server can call this client. Rejects with `ConnectFailed`, or with
   * `ConnectionClosed` where `disconnect` was called meanwhile.
   *
   * A client that is connected, connecting or reconnecting with the same name isn't connected twice: the promise resolves
   * once it is connected, and rejects with `ConnectionClosed` where it gives up. With another name it disconnects first.
   */
  connect(runtimeId: string | undefined = this.#options.runtimeId): Promise<void> {
    if (this.#session.isOpen && this.#runtimeId !== runtimeId) this.disconnect()
    this.#runtimeId = runtimeId
    const connected = this.#session.open(
      (open, leave) => this.#program(open, leave, { ...this.#options, url: this.#url, runtimeId }),
      () => notOpen("connect", Userinfo.hidden(this.#url), "disconnect() was called before the client had connected.")
    )
    return handled(connected.then(() => this.#connectedAgain()))
  }

  /**
   * Closes the connection and resolves when nothing is left open. May be called at any time, any number of times.
   */
  disconnect(): Promise<void> {
    return this.#session.close()
  }

  /**
   * Whether the connection is open; false while it reconnects.
   */
  isConnected(): boolean {
    return this.#connected && this.#session.value !== undefined
  }

  /**
   * Calls back when the connection is lost, whatever the cause: the server or the network failed, a newer client has the
   * runtimeId, or `disconnect`. Registered before `connect`, it is called for every connection; registered after it, once,
   * for that connection.
   */
  onClose(callback: () => unknown): void {
    if (this.#session.isOpen) this.#closeCallbacks.addOnce(callback)
    else this.#closeCallbacks.add(callback)
  }

  /**
   * Answers a request of the server. An error that the handler throws or rejects with arrives at the caller as its message,
   * or as itself where the request's failure Schema has it.
   */
  onFrameworkRequest<Payload, Success, Failure = never>(
    request: ClientRequest<Payload, Success, Failure>,
    handler: (payload: Payload) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
  ): void {
    this.#handlers.onRequest("onFrameworkRequest", request, handler)
  }

  /**
   * Sends a request to the server. While the client reconnects, waits for the connection within the request's timeout, by
   * default 10 seconds. Rejects with the request's own typed failure or a `RequestError`: `ConnectionClosed` where the client
   * isn't connected.
   */
  sendFrameworkRequest<Success, Failure = never>(
    request: ServerRequest<void, Success, Failure>,
    payload?: undefined,
    timeoutMs?: number
  ): Promise<Success>
  sendFrameworkRequest<Payload, Success, Failure = never>(
    request: ServerRequest<Payload, Success, Failure>,
    payload: NoInfer<Payload>,
    timeoutMs?: number
  ): Promise<Success>
  sendFrameworkRequest<Payload, Success, Failure>(
    request: ServerRequest<Payload, Success, Failure>,
    payload: Payload,
    timeoutMs?: number
  ): Promise<Success> {
    const issue = CallArguments.sendingIssue("sendFrameworkRequest", request, "", timeoutMs)
    if (issue !== undefined) return issue
    const client = this.#session.value
    if (client === undefined) return handled(Promise.reject(this.#notConnected(nameOf(untyped(request)))))
    const options = timeoutMs === undefined ? {} : { timeout: timeoutMs }
    return run(client.request(request, ...([payload, options] as unknown as Arguments<Payload, ClientRequestOptions>)))
  }

  /**
   * Answers a stream of the server, as a generator does. What it throws arrives at the caller as a request's failure does,
   * after the elements that came before it.
   *
   * @since 0.2.0
   */
  onStream<Payload, Element, Failure = never, Input = never>(
    stream: ClientStream<Payload, Element, Failure, Input>,
    handler: PromiseStreamHandler<Payload, NoInfer<Element>, Input, StreamContext>
  ): void {
    this.#handlers.onStream(stream, handler)
  }

  /**
   * Opens a stream at the server, once its elements are asked for. While the client reconnects, waits for the connection
   * within the `acceptTimeout`. The elements reject with the stream's own typed failure, with what the input throws, or with
   * a `StreamError`: `ConnectionClosed` where the client isn't connected or the connection ends.
   *
   * @since 0.2.0
   */
  openStream<Payload, Element, Failure = never, Input = never>(
    stream: ServerStream<Payload, Element, Failure, Input>,
    ...args: OpenStreamArguments<NoInfer<Payload>, Input>
  ): ElementStream<Element> {
    CallArguments.checkStream("openStream", stream)
    const definition = untypedStream(stream)
    return openStream(definition, args, (serviceArgs) =>
      Stream.suspend(
        () =>
          this.#session.value?.stream(stream, ...(serviceArgs as never)) ??
          Stream.fail(this.#notConnected(definition.name))
      )
    )
  }

  /** `disconnect`, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.disconnect()
  }

  #notConnected(request: string): Error {
    const reason = `Request ${JSON.stringify(request)} was not sent: the client isn't connected to ${Userinfo.hidden(this.#url)}. Await connect() first, and again after disconnect().`
    return notOpen(request, Userinfo.hidden(this.#url), reason)
  }

  /** Runs from connect to disconnect, or until the client gives up reconnecting. */
  #program(
    open: (client: Service.Service) => void,
    leave: () => void,
    options: NodeIPCClient.NodeIPCClientOptions
  ): Effect.Effect<void, unknown> {
    const connecting = Effect.gen(this, function* () {
      // Closed last: handlers are interrupted by the end of their connection, whose close frame gives the reason.
      const handling = yield* InnerScope.make
      const client = yield* NodeIPCClient.make(options)
      yield* Scope.extend(this.#handlers.attach(client), handling)
      yield* Stream.runForEach(client.status, (status) =>
        Effect.sync(() => {
          // What is called back may connect again.
          if (status === "closed") leave()
          this.#onStatus(status)
          if (status === "connected") open(client)
        })
      )
    })
    return Effect.ensuring(
      Effect.scoped(connecting),
      Effect.sync(() => this.#onStatus("closed"))
    )
  }

  #onStatus(status: Status): void {
    const wasConnected = this.#connected
    this.#connected = status === "connected"
    if (wasConnected && !this.#connected) this.#closeCallbacks.call()
    if (status === "reconnecting") return
    for (const settle of this.#reconnecting.splice(0)) settle()
  }

  /** Resolves at once where the client is connected, else with the end of its reconnecting. */
  #connectedAgain(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#connected) return resolve()
      this.#reconnecting.push(() =>
        this.#connected
          ? resolve()
          : reject(
              notOpen(
                "connect",
                Userinfo.hidden(this.#url),
                "The client was disconnected, or gave up, before it had reconnected."
              )
            )
      )
    })
  }
}

/**
 * A request that the client answers, by its payload and its response: what `IPCClient.defineRequest(name)` gives.
 *
 * @since 0.2.0
 * @category models
 */
export type IPCClientRequest<Payload, Response> = BrandedRequest<"client", Payload, Response>
