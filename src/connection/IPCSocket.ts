/**
 * One connection's engine, the same at both ends and on any {@link Transport}: correlation, deadlines, handlers,
 * cancellation, heartbeat and backpressure.
 *
 * A connection is `open`, then `closing` (this end has said goodbye), then `closed`:
 *
 * | event | open | closing | closed |
 * | --- | --- | --- | --- |
 * | a request or message is sent | goes out, or waits while too much is unsent | `ConnectionClosed` | `ConnectionClosed` |
 * | a frame arrives | is handled, or waits while too many handlers run | is ignored | is ignored |
 * | a frame over the limit arrives | `close` with 1009 | is ignored | is ignored |
 * | a handler ends | its response goes out, or waits while too much is unsent | dropped: it was interrupted | dropped |
 * | a deadline passes | `RequestTimeout` | – | – |
 * | two heartbeats pass in silence | terminates | – | – |
 * | `close` | requests in flight fail, handlers are interrupted, goodbye | waits for the end | nothing |
 * | the transport ends | requests in flight fail, handlers are interrupted | is closed | – |
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ParseResult from "effect/ParseResult"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import type { NotifyError, RequestError } from "../IPCError.js"
import {
  ConnectionClosed,
  FrameTooLarge,
  InvalidPayload,
  InvalidResponse,
  NoHandler,
  RequestFailed,
  RequestTimeout
} from "../IPCError.js"
import type { Direction, RequestOptions, Shaped, UntypedRequest } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import type { OnEnd, Waiting } from "../internal/CallbackEffect.js"
import { CallbackEffect, total } from "../internal/CallbackEffect.js"
import type { Deadlines, Expiring } from "../internal/Deadlines.js"
import * as Execution from "../internal/Execution.js"
import { IdMap } from "../internal/IdMap.js"
import * as RunFork from "../internal/RunFork.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import * as Frame from "./Frame.js"
import type { Handler, Handlers } from "./Handlers.js"
import { failureOf } from "./Handlers.js"
import type { Transport } from "./Transport.js"

/**
 * How connections behave; the same options at both ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface IPCSocketOptions {
  /** How long a request waits for its response unless it says otherwise. Default 10 seconds. */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /** How often a ping is sent; a peer silent for two is dropped. Default 15 seconds. */
  readonly heartbeat?: Duration.DurationInput | undefined
  /** Past this many unsent bytes a sender waits. Default 16 MiB. */
  readonly highWaterMark?: number | undefined
  /** Past this many handlers in flight on one connection, reading pauses. Default 1,024. */
  readonly maxHandlersInFlight?: number | undefined
  /** A larger frame, in bytes, isn't sent, and closes the connection it arrives on. Default 16 MiB. */
  readonly maxFrameBytes?: number | undefined
}

/**
 * The options with their defaults filled in, and what all connections of one end share.
 *
 * @since 0.1.0
 * @category models
 */
export interface IPCSocketContext<Caller> {
  readonly handlers: Handlers<Caller>
  readonly deadlines: Deadlines
  readonly runFork: RunFork.RunFork
  readonly requestTimeoutMillis: number
  readonly heartbeatMillis: number
  readonly highWaterMark: number
  readonly maxHandlersInFlight: number
  readonly maxFrameBytes: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type State = "open" | "closing" | "closed"

/**
 * What the connections of one end share, made once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeContext = Effect.fnUntraced(function* <Caller>(
  handlers: Handlers<Caller>,
  deadlines: Deadlines,
  options: IPCSocketOptions
) {
  const context: IPCSocketContext<Caller> = {
    handlers,
    deadlines,
    runFork: yield* RunFork.make(),
    requestTimeoutMillis: Duration.toMillis(options.requestTimeout ?? defaultRequestTimeoutMillis),
    heartbeatMillis: Duration.toMillis(options.heartbeat ?? "15 seconds"),
    highWaterMark: options.highWaterMark ?? 16 * 1024 * 1024,
    maxHandlersInFlight: options.maxHandlersInFlight ?? 1024,
    maxFrameBytes: options.maxFrameBytes ?? defaultMaxFrameBytes
  }
  return context
})

/**
 * How long a request waits where nothing says otherwise, in milliseconds: 10 seconds.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRequestTimeoutMillis = 10_000

/**
 * The limit of a frame in bytes where none is given: 16 MiB.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxFrameBytes = 16 * 1024 * 1024

/**
 * Requests and messages over one open transport.
 *
 * @since 0.1.0
 * @category models
 */
export class IPCSocket<Caller> {
  state: State = "open"
  private readonly pending = new IdMap<Pending>()
  private readonly inFlight = new IdMap<InFlight>()
  /** What waits until enough unsent bytes have left, in order. */
  private readonly departures = new Set<Departure>()
  /** What had arrived when reading paused, in order. */
  private readonly backlog: Array<string> = []
  private readonly heartbeat: Expiring
  private readonly closeListeners = new Set<(event: CloseEvent) => void>()
  private closeEvent: CloseEvent = { code: CloseCode.Abnormal, reason: "" }
  private lastId = 0
  private lastMessageId = 0
  private malformed = 0
  private heard = true
  private silentHeartbeats = 0
  private waitingResponses = 0
  private paused = false

  /** @internal */
  constructor(
    private readonly context: IPCSocketContext<Caller>,
    private readonly transport: Transport,
    /** What errors and log lines call the peer. */
    readonly target: string,
    /** What handlers here are told of who calls. */
    readonly caller: Caller
  ) {
    this.heartbeat = { dueAt: 0, millis: context.heartbeatMillis, onDeadline: () => this.onHeartbeat() }
    context.deadlines.add(this.heartbeat)
    transport.listen({
      onText: (text) => this.onText(text),
      onBinary: (size) => this.logMalformed(`${size} bytes of binary`, "it isn't text"),
      onAlive: () => {
        this.heard = true
      },
      onDrain: () => this.onDrain(),
      onClosed: (event) => this.onClosed(event)
    })
  }

  /**
   * Sends a request and waits for its response.
   */
  request<D extends Direction, Payload, Success, Failure>(
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown,
    options?: RequestOptions | undefined
  ): Effect.Effect<Success, Failure | RequestError> {
    return new CallbackEffect((onEnd) => this.begin(request, payload, options, onEnd))
  }

  /** @internal Begins a request, as a CallbackEffect effect does. */
  begin<D extends Direction, Payload, Success, Failure>(
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown,
    options: RequestOptions | undefined,
    onEnd: OnEnd<Success, Failure | RequestError>
  ): Waiting | undefined {
    const what = untyped(request)
    const millis = timeoutMillis(options, this.context.requestTimeoutMillis)
    // What the peer answers is what the request's type says.
    const resume = onEnd as OnEnd<unknown, unknown>
    return typeof what === "string"
      ? this.exchange(what, payload, millis, resume)
      : this.exchangeEncoded(what, payload, millis, resume)
  }

  /**
   * Sends a message; it is on its way, and nothing more, when this succeeds.
   */
  notify<D extends Direction, Payload, Success, Failure>(
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown,
    options?: RequestOptions | undefined
  ): Effect.Effect<void, NotifyError> {
    const what = untyped(request)
    const millis = timeoutMillis(options, this.context.requestTimeoutMillis)
    if (typeof what === "string") return this.dispatch(what, payload, millis)
    return Effect.flatMap(
      Effect.suspend(() => this.encode(what, payload)),
      (encoded) => this.dispatch(what, encoded, millis)
    )
  }

  /**
   * Ends the connection: requests in flight fail, handlers are interrupted. Done when the transport has ended.
   */
  close(event: CloseEvent): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.startClosing(event)
      return Effect.asVoid(this.closed)
    })
  }

  /** How the connection ended, once it has. */
  readonly closed: Effect.Effect<CloseEvent> = Effect.async((resume) => {
    if (this.state === "closed") return resume(Effect.succeed(this.closeEvent))
    const listener = (event: CloseEvent) => resume(Effect.succeed(event))
    this.closeListeners.add(listener)
    return Effect.sync(() => this.closeListeners.delete(listener))
  })

  /** @internal Calls back when the connection has ended; without a fiber, for a server with very many. */
  onceClosed(listener: (event: CloseEvent) => void): void {
    this.closeListeners.add(listener)
  }

  /** @internal What `close` does at once. */
  startClosing(event: CloseEvent): void {
    if (this.state !== "open") return
    this.state = "closing"
    this.closeEvent = event
    this.release()
    this.transport.close(event)
  }

  private exchangeEncoded(
    request: Exclude<UntypedRequest, string>,
    payload: unknown,
    millis: number,
    onEnd: OnEnd<unknown, unknown>
  ): Waiting | undefined {
    const encoded = this.encode(request, payload)
    const exit = SyncEffect.exitOf(encoded)
    if (exit !== undefined && Exit.isSuccess(exit)) return this.exchange(request, exit.value, millis, onEnd)
    onEnd(
      Effect.flatMap(encoded, (value) => new CallbackEffect((ended) => this.exchange(request, value, millis, ended)))
    )
    return undefined
  }

  private exchange(
    request: UntypedRequest,
    payload: unknown,
    millis: number,
    onEnd: OnEnd<unknown, unknown>
  ): Waiting | undefined {
    const id = ++this.lastId
    const text = this.print(id, request, payload)
    if (typeof text !== "string") {
      onEnd(Exit.fail(text))
      return undefined
    }
    const pending = new Pending(this, id, request, millis, onEnd)
    this.pending.add(pending)
    this.context.deadlines.add(pending)
    if (this.isCongested()) this.departures.add(pending.toDepart(text))
    else this.transport.send(text)
    return pending
  }

  /** The request's frame, or why it can't be sent. */
  private print(
    id: number,
    request: UntypedRequest,
    payload: unknown
  ): string | ConnectionClosed | InvalidPayload | FrameTooLarge {
    const name = nameOf(request)
    if (this.state !== "open") return this.connectionClosed(name)
    const text = Frame.printRequest(id, name, payload)
    if (typeof text !== "string") return this.invalidPayload(name, text.issue)
    return this.isTooLarge(text) ? this.tooLarge(name, text) : text
  }

  private dispatch(request: UntypedRequest, payload: unknown, millis: number): Effect.Effect<void, NotifyError> {
    return Effect.suspend(() => {
      const name = nameOf(request)
      if (this.state !== "open") return Effect.fail(this.connectionClosed(name))
      const text = Frame.printMessage(name, payload)
      if (typeof text !== "string") return Effect.fail(this.invalidPayload(name, text.issue))
      if (this.isTooLarge(text)) return Effect.fail(this.tooLarge(name, text))
      if (this.isCongested()) return this.waitToDepart(name, text, millis)
      this.transport.send(text)
      return Effect.void
    })
  }

  private waitToDepart(name: string, text: string, millis: number): Effect.Effect<void, NotifyError> {
    return Effect.async((resume) => {
      const departure: Departure = {
        text,
        onDeparted: () => {
          this.context.deadlines.remove(expiring)
          resume(this.state === "open" ? Effect.void : Effect.fail(this.connectionClosed(name)))
        }
      }
      const expiring: Expiring = {
        dueAt: 0,
        millis,
        onDeadline: () => {
          this.departures.delete(departure)
          resume(Effect.fail(new RequestTimeout({ request: name, target: this.target, millis })))
        }
      }
      this.departures.add(departure)
      this.context.deadlines.add(expiring)
      return Effect.sync(() => {
        this.departures.delete(departure)
        this.context.deadlines.remove(expiring)
      })
    })
  }

  /** @internal */
  expire(pending: Pending): void {
    if (!this.forget(pending)) return
    this.cancelAtPeer(pending)
    const request = nameOf(pending.request)
    pending.onEnd(Exit.fail(new RequestTimeout({ request, target: this.target, millis: pending.millis })))
  }

  /** @internal */
  abandon(pending: Pending): void {
    if (this.forget(pending)) this.cancelAtPeer(pending)
  }

  private cancelAtPeer(pending: Pending): void {
    if (this.transport.extended && this.state === "open" && pending.departure === undefined) {
      this.transport.send(Frame.printCancel(pending.id))
    }
  }

  /** Whether it was still waiting. */
  private forget(pending: Pending): boolean {
    if (!this.pending.delete(pending.id)) return false
    this.context.deadlines.remove(pending)
    if (pending.departure !== undefined) this.departures.delete(pending.departure)
    return true
  }

  private onText(text: string): void {
    this.heard = true
    if (this.state !== "open") return
    if (this.paused) this.backlog.push(text)
    else this.read(text)
  }

  /** Reads a message, frame by frame, until reading pauses. */
  private read(text: string): void {
    if (!this.transport.extended || text.length > Frame.maxJoinedLength) return this.onFrame(text)
    let start = 0
    for (;;) {
      const end = text.indexOf(Frame.separator, start)
      if (end === -1) return this.onFrame(start === 0 ? text : text.slice(start))
      this.onFrame(text.slice(start, end))
      start = end + 1
      if (this.paused) {
        this.backlog.unshift(text.slice(start))
        return
      }
    }
  }

  private onFrame(text: string): void {
    if (this.state !== "open") return
    if (this.isTooLarge(text)) {
      const reason = `a frame of ${utf8Length(text)} bytes; the limit is ${this.context.maxFrameBytes}`
      return this.startClosing({ code: CloseCode.TooLarge, reason })
    }
    const frame = Frame.parse(text)
    switch (frame.type) {
      case "s":
        return this.onResponse(frame)
      case "r":
        return this.onRequest(frame)
      case "m":
        return this.onMessage(frame)
      case "c":
        return this.transport.extended ? this.onCancel(frame) : this.logMalformed(text, "its type is unknown")
      case "malformed":
        return this.logMalformed(text, frame.issue)
    }
  }

  private onResponse(frame: Frame.Response): void {
    const pending = this.pending.get(frame.id)
    if (pending === undefined) {
      this.context.runFork(
        Effect.logDebug(`Dropped a late response of ${this.target} to ${quote(frame.path.slice(0, 100))}`)
      )
      return
    }
    this.forget(pending)
    pending.onEnd(this.outcome(pending.request, frame.data))
  }

  private outcome(request: UntypedRequest, data: unknown): Effect.Effect<unknown, unknown> {
    if (!Frame.isOutcome(data)) {
      return Exit.fail(
        this.invalidResponse(request, 'it is neither {"success":true,…} nor {"success":false,"error":"…"}')
      )
    }
    if (data.success) {
      if (typeof request === "string") return Exit.succeed(data.data)
      // A Schema may throw.
      return total(() =>
        SyncEffect.mapError(request.success.decode(data.data), (issue) =>
          this.invalidResponse(request, ParseResult.TreeFormatter.formatIssueSync(issue))
        )
      )
    }
    const failure = this.failure(request, data)
    if (typeof request === "string" || data.failure === undefined) return Exit.fail(failure)
    return total(() =>
      Effect.matchEffect(request.failure.decode(data.failure), {
        onFailure: () => Effect.fail(failure),
        onSuccess: Effect.fail
      })
    )
  }

  private onRequest(frame: Frame.Request): void {
    const handler = this.context.handlers.get(frame.path)
    if (handler === undefined) {
      const error = `no handler for ${quote(frame.path.slice(0, 100))}`
      return this.respond(
        frame,
        Frame.printFailure(frame.id, frame.path, { success: false, error, reason: "NoHandler" })
      )
    }
    if (this.inFlight.get(frame.id) !== undefined)
      return this.logMalformed(`r:${frame.id}:${frame.path}`, "its id is in flight already")
    this.run(handler, frame, frame.id)
  }

  private onMessage(frame: Frame.Message): void {
    const handler = this.context.handlers.get(frame.path)
    if (handler === undefined) return this.logMalformed(`m::${frame.path}`, "it has no handler here")
    this.run(handler, frame, --this.lastMessageId)
  }

  /** Runs the handler, without a fiber where its effect has already ended. */
  private run(handler: Handler<Caller>, frame: Frame.Request | Frame.Message, id: number): void {
    const effect = handler.answer(frame.data, this.caller)
    const settled = SyncEffect.exitOf(effect)
    if (settled !== undefined) return this.onHandled(frame, settled)
    const running = Execution.start(effect, handler.runFork)
    if (running.exit !== undefined) return this.onHandled(frame, running.exit)
    const entry: InFlight = { id, running, cancelled: false }
    this.inFlight.add(entry)
    handler.running.add(running)
    running.observe((exit) => {
      handler.running.delete(running)
      this.inFlight.delete(id)
      this.onHandled(frame, exit, entry.cancelled)
      this.regulateReading()
    })
    // Before it first waited it may have closed the connection, or the scope it is registered in.
    if (handler.gone || this.state !== "open") running.interrupt()
    this.regulateReading()
  }

  private onCancel(frame: Frame.Cancel): void {
    const entry = this.inFlight.get(frame.id)
    if (entry === undefined) return
    entry.cancelled = true
    entry.running.interrupt()
  }

  private onHandled(
    frame: Frame.Request | Frame.Message,
    exit: Exit.Exit<unknown, Frame.Failure>,
    cancelled = false
  ): void {
    if (Exit.isSuccess(exit)) {
      if (frame.type === "r" && !cancelled) {
        this.respond(frame, Frame.printSuccess(frame.id, frame.path, exit.value))
      }
      return
    }
    // The failure of a request is its caller's to see; that of a message is seen nowhere else.
    const unexpected = frame.type === "r" ? Cause.isDie(exit.cause) : !Cause.isInterruptedOnly(exit.cause)
    if (unexpected) this.logHandlerFailure(frame.path, exit.cause)
    if (frame.type === "r" && !cancelled) {
      this.respond(frame, Frame.printFailure(frame.id, frame.path, failureOf(exit.cause)))
    }
  }

  private respond(frame: Frame.Request, text: string | Frame.Unprintable): void {
    if (this.state !== "open") return
    if (typeof text !== "string") return this.refuse(frame, `the response isn't JSON: ${text.issue}`)
    if (this.isTooLarge(text)) {
      const limit = this.context.maxFrameBytes
      return this.refuse(frame, `the response would be a frame of ${utf8Length(text)} bytes; the limit is ${limit}`)
    }
    this.depart(text)
  }

  /** Answers that there is an answer that can't be sent. It is small, whatever the request was. */
  private refuse(frame: Frame.Request, error: string): void {
    const path = frame.path.length > maxRefusalLength ? "" : frame.path
    const text = Frame.printFailure(frame.id, path, { success: false, error: shortened(error) })
    if (typeof text === "string") this.depart(text)
  }

  private depart(text: string): void {
    if (!this.isCongested()) return this.transport.send(text)
    this.waitingResponses++
    this.departures.add({
      text,
      onDeparted: () => {
        this.waitingResponses--
        this.regulateReading()
      }
    })
    this.regulateReading()
  }

  /** Handlers in flight, and responses that can't leave, hold the peer back by not being read from. */
  private regulateReading(): void {
    const busy = this.inFlight.size + this.waitingResponses >= this.context.maxHandlersInFlight
    if (busy === this.paused || this.state !== "open") return
    this.paused = busy
    if (busy) return this.transport.pause()
    while (!this.paused && this.state === "open") {
      const text = this.backlog.shift()
      if (text === undefined) return this.transport.resume()
      this.read(text)
    }
  }

  /** Whether what is sent now has to wait, for what has been sent or behind what waits already. */
  private isCongested(): boolean {
    if (this.departures.size > 0) this.onDrain()
    return this.transport.unsent() > this.context.highWaterMark
  }

  private onDrain(): void {
    if (this.departures.size === 0) return
    for (const departure of this.departures) {
      if (this.transport.unsent() > this.context.highWaterMark) return
      this.departures.delete(departure)
      this.transport.send(departure.text)
      departure.onDeparted()
    }
  }

  private onHeartbeat(): void {
    if (this.state !== "open") return
    // While we don't read, what the peer says isn't heard; that isn't its silence.
    this.silentHeartbeats = this.heard || this.paused ? 0 : this.silentHeartbeats + 1
    this.heard = false
    if (this.silentHeartbeats === 2) {
      this.closeEvent = { code: CloseCode.Silent, reason: "silent for two heartbeats" }
      return this.transport.terminate()
    }
    this.transport.ping()
    this.context.deadlines.add(this.heartbeat)
  }

  private onClosed(event: CloseEvent): void {
    if (this.state === "closed") return
    // What this end decided says more than how the transport then ended.
    if (this.state === "open" && this.closeEvent.code === CloseCode.Abnormal) this.closeEvent = event
    this.state = "closed"
    this.release()
    for (const listener of this.closeListeners) listener(this.closeEvent)
    this.closeListeners.clear()
  }

  private release(): void {
    this.context.deadlines.remove(this.heartbeat)
    this.backlog.length = 0
    for (const { running } of this.inFlight.entries()) running.interrupt()
    for (const pending of this.pending.entries()) {
      this.context.deadlines.remove(pending)
      pending.onEnd(Exit.fail(this.connectionClosed(nameOf(pending.request))))
    }
    this.pending.clear()
    const departures = [...this.departures]
    this.departures.clear()
    for (const departure of departures) departure.onDeparted()
  }

  private encode(request: Exclude<UntypedRequest, string>, payload: unknown): Effect.Effect<unknown, InvalidPayload> {
    return SyncEffect.mapError(request.payload.encode(payload), (issue) =>
      this.invalidPayload(request.name, ParseResult.TreeFormatter.formatIssueSync(issue))
    )
  }

  private isTooLarge(text: string): boolean {
    // A UTF-16 unit is at most three bytes of UTF-8, so only a long text needs counting.
    return text.length * 3 > this.context.maxFrameBytes && utf8Length(text) > this.context.maxFrameBytes
  }

  private tooLarge(request: string, text: string): FrameTooLarge {
    return new FrameTooLarge({
      request,
      target: this.target,
      size: utf8Length(text),
      limit: this.context.maxFrameBytes
    })
  }

  private connectionClosed(request: string): ConnectionClosed {
    return new ConnectionClosed({ request, target: this.target, ...this.closeEvent })
  }

  private invalidPayload(request: string, issue: string): InvalidPayload {
    return new InvalidPayload({ request, target: this.target, foundBy: "caller", issue })
  }

  private invalidResponse(request: UntypedRequest, issue: string): InvalidResponse {
    return new InvalidResponse({ request: nameOf(request), target: this.target, issue })
  }

  private failure(request: UntypedRequest, data: Frame.Failure): NoHandler | InvalidPayload | RequestFailed {
    const at = { request: nameOf(request), target: this.target }
    if (data.reason === "NoHandler") return new NoHandler(at)
    if (data.reason === "InvalidPayload") return new InvalidPayload({ ...at, foundBy: "peer", issue: data.error })
    return new RequestFailed({ ...at, error: data.error, ...(typeof data.tag === "string" ? { tag: data.tag } : {}) })
  }

  private logMalformed(text: string, issue: string): void {
    if (++this.malformed > maxMalformedLogged) return
    const last = this.malformed === maxMalformedLogged ? "; further ones of this connection are dropped in silence" : ""
    this.context.runFork(
      Effect.logWarning(`Dropped a frame of ${this.target}, since ${issue}: ${quote(text.slice(0, 100))}${last}`)
    )
  }

  private logHandlerFailure(path: string, cause: Cause.Cause<unknown>): void {
    this.context.runFork(Effect.logError(`The handler of ${quote(path)} failed unexpectedly`, cause))
  }
}

/**
 * A request that waits for its response.
 */
class Pending implements Expiring, Waiting {
  dueAt = 0
  previous: Expiring | undefined = undefined
  next: Expiring | undefined = undefined
  /** Set while the request itself waits for unsent bytes to leave. */
  departure: Departure | undefined = undefined

  constructor(
    private readonly socket: Exchanging,
    readonly id: number,
    readonly request: UntypedRequest,
    readonly millis: number,
    readonly onEnd: OnEnd<unknown, unknown>
  ) {}

  toDepart(text: string): Departure {
    this.departure = {
      text,
      onDeparted: () => {
        this.departure = undefined
      }
    }
    return this.departure
  }

  abandon(): void {
    this.socket.abandon(this)
  }

  onDeadline(): void {
    this.socket.expire(this)
  }
}

/** What an {@link IPCSocket} of any caller is to its requests. */
interface Exchanging {
  readonly expire: (pending: Pending) => void
  readonly abandon: (pending: Pending) => void
}

/** A frame that waits for unsent bytes to leave. */
interface Departure {
  readonly text: string
  readonly onDeparted: () => void
}

/** A handler that hasn't ended yet. */
interface InFlight {
  readonly id: number
  readonly running: Execution.Execution<unknown, Frame.Failure>
  cancelled: boolean
}

/** @internal */
export const timeoutMillis = (options: RequestOptions | undefined, otherwise: number): number =>
  options?.timeout === undefined ? otherwise : Duration.toMillis(options.timeout)

/** How many malformed frames of one connection are logged before the rest are dropped in silence. */
const maxMalformedLogged = 10

/** The longest path and error, in characters, of the answer that stands for one that can't be sent. */
const maxRefusalLength = 1000

const shortened = (text: string): string =>
  text.length > maxRefusalLength ? `${text.slice(0, maxRefusalLength)}…` : text

const quote = (text: string): string => JSON.stringify(text)

const utf8Length = (text: string): number => new TextEncoder().encode(text).length
