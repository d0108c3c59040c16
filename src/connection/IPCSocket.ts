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
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ParseResult from "effect/ParseResult"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import type { NotifyError, RequestError } from "../IPCError.js"
import { ConnectionClosed, FrameTooLarge, InvalidPayload, RequestTimeout } from "../IPCError.js"
import type { Direction, RequestOptions, Shaped, UntypedRequest } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import type { OnEnd, Waiting } from "../internal/CallbackEffect.js"
import { CallbackEffect } from "../internal/CallbackEffect.js"
import type { Expiring } from "../internal/Deadlines.js"
import * as Execution from "../internal/Execution.js"
import { IdMap } from "../internal/IdMap.js"
import { quote } from "../internal/Printable.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import { Waiters } from "../internal/Waiters.js"
import * as Frame from "./Frame.js"
import * as FrameLimit from "./FrameLimit.js"
import type { Handler } from "./Handlers.js"
import { failureOf } from "./Handlers.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import { timeoutMillis } from "./IPCSocketOptions.js"
import type { Departure } from "./Outbox.js"
import { Outbox } from "./Outbox.js"
import { PendingRequest } from "./PendingRequest.js"
import * as ResponseDecoder from "./ResponseDecoder.js"
import type { Transport } from "./Transport.js"

/**
 * @since 0.1.0
 * @category models
 */
export type State = "open" | "closing" | "closed"

/**
 * Requests and messages over one open transport.
 *
 * @since 0.1.0
 * @category models
 */
export class IPCSocket<Caller> {
  state: State = "open"
  private readonly pending = new IdMap<PendingRequest>()
  private readonly inFlight = new IdMap<InFlight>()
  private readonly outbox: Outbox
  /** What had arrived when reading paused, in order. */
  private readonly backlog: Array<string> = []
  private readonly heartbeat: Expiring
  private readonly awaitingEnd = new Waiters()
  /** The requests whose frames the peer didn't take, by the errors they ended with. */
  private refusals: Map<unknown, FrameTooLarge | ConnectionClosed> | undefined
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
    this.outbox = new Outbox(transport, context.highWaterMark)
    this.heartbeat = {
      dueAt: 0,
      millis: context.heartbeatMillis,
      onDeadline: (lateMillis) => this.onHeartbeat(lateMillis)
    }
    context.deadlines.add(this.heartbeat)
    transport.listen({
      onText: (text) => this.onText(text),
      onBinary: (size) => this.logMalformed(`${size} bytes of binary`, "it isn't text"),
      onAlive: () => {
        this.heard = true
      },
      onDrain: () => this.outbox.drain(),
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
      (encoded) => this.dispatch(what.name, encoded, millis)
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
  readonly closed: Effect.Effect<CloseEvent> = this.awaitingEnd.until(() =>
    this.state === "closed" ? Effect.succeed(this.closeEvent) : undefined
  )

  /** @internal Calls back when the connection has ended; without a fiber, for a server with very many. */
  onceClosed(listener: (event: CloseEvent) => void): void {
    this.awaitingEnd.add(() => {
      listener(this.closeEvent)
      return true
    })
  }

  /** @internal How much the connection holds; all zero at rest. */
  get held() {
    return {
      pending: this.pending.size,
      inFlight: this.inFlight.size,
      departures: this.outbox.waiting,
      backlog: this.backlog.length
    }
  }

  /** @internal Where a request failed with this error and would fail again on another connection: why. */
  refusal(error: unknown): FrameTooLarge | ConnectionClosed | undefined {
    return this.refusals?.get(error)
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
    const text = this.print(nameOf(request), payload, id)
    if (typeof text !== "string") {
      onEnd(Exit.fail(text))
      return undefined
    }
    const pending = new PendingRequest(this, id, request, millis, text.length, onEnd)
    this.pending.add(pending)
    this.context.deadlines.add(pending)
    if (this.outbox.isCongested()) this.outbox.add(pending.toDepart(text))
    else this.transport.send(text)
    return pending
  }

  /** The frame of a request, or of a message where there is no id; or why it can't be sent. */
  private print(
    name: string,
    payload: unknown,
    id?: number
  ): string | ConnectionClosed | InvalidPayload | FrameTooLarge {
    if (this.state !== "open") return this.connectionClosed(name)
    const text = id === undefined ? Frame.printMessage(name, payload) : Frame.printRequest(id, name, payload)
    if (typeof text !== "string") return this.invalidPayload(name, text.issue)
    if (!this.isTooLarge(text)) return text
    const limit = this.context.maxFrameBytes
    return new FrameTooLarge({ request: name, target: this.target, size: utf8Length(text), limit })
  }

  private dispatch(name: string, payload: unknown, millis: number): Effect.Effect<void, NotifyError> {
    return Effect.suspend(() => {
      const text = this.print(name, payload)
      if (typeof text !== "string") return Effect.fail(text)
      if (this.outbox.isCongested()) return this.waitToDepart(name, text, millis)
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
          this.outbox.remove(departure)
          resume(Effect.fail(new RequestTimeout({ request: name, target: this.target, millis })))
        }
      }
      this.outbox.add(departure)
      this.context.deadlines.add(expiring)
      return Effect.sync(() => {
        this.outbox.remove(departure)
        this.context.deadlines.remove(expiring)
      })
    })
  }

  /** @internal */
  expire(pending: PendingRequest): void {
    if (!this.forget(pending)) return
    this.cancelAtPeer(pending)
    const request = nameOf(pending.request)
    pending.onEnd(Exit.fail(new RequestTimeout({ request, target: this.target, millis: pending.millis })))
  }

  /** @internal */
  abandon(pending: PendingRequest): void {
    if (this.forget(pending)) this.cancelAtPeer(pending)
  }

  private cancelAtPeer(pending: PendingRequest): void {
    if (this.transport.extended && this.state === "open" && pending.departure === undefined) {
      this.transport.send(Frame.printCancel(pending.id))
    }
  }

  /** Whether it was still waiting. */
  private forget(pending: PendingRequest): boolean {
    if (!this.pending.delete(pending.id)) return false
    this.context.deadlines.remove(pending)
    if (pending.departure !== undefined) this.outbox.remove(pending.departure)
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
    if (!this.transport.extended) return this.onFrame(text)
    let end = -1
    while (end < text.length) {
      const start = end + 1
      if (this.paused) {
        this.backlog.unshift(text.slice(start))
        return
      }
      end = Frame.endOf(text, start)
      this.onFrame(text.slice(start, end))
    }
  }

  private onFrame(text: string): void {
    if (this.state !== "open") return
    if (this.isTooLarge(text)) {
      return this.startClosing(FrameLimit.exceeded(this.context.maxFrameBytes, utf8Length(text)))
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
    pending.onEnd(ResponseDecoder.decode(pending.request, this.target, frame.data))
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
    if (!this.outbox.isCongested()) return this.transport.send(text)
    this.waitingResponses++
    this.outbox.add({
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

  private onHeartbeat(lateMillis: number): void {
    if (this.state !== "open") return
    // While we don't read, what the peer says isn't heard; that isn't its silence.
    if (this.heard || this.paused) this.silentHeartbeats = 0
    // Nor is a time in which this end itself was stalled.
    else if (lateMillis < this.heartbeat.millis / 2) this.silentHeartbeats++
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
    this.awaitingEnd.announce()
  }

  private release(): void {
    this.context.deadlines.remove(this.heartbeat)
    this.backlog.length = 0
    for (const { running } of this.inFlight.entries()) running.interrupt()
    const ended = this.pending.entries()
    const longest = ended.reduce((length, pending) => Math.max(length, pending.length), 0)
    for (const pending of ended) {
      this.context.deadlines.remove(pending)
      const error = this.connectionClosed(nameOf(pending.request))
      const refusal = this.refusalOf(pending, longest)
      if (refusal !== undefined) this.refusals = (this.refusals ?? new Map()).set(error, refusal)
      pending.onEnd(Exit.fail(error))
    }
    this.pending.clear()
    this.outbox.clear()
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

  /** Why a request that ends with the connection would fail again: the peer took its frame for too large. */
  private refusalOf(
    { length, request }: PendingRequest,
    longest: number
  ): FrameTooLarge | ConnectionClosed | undefined {
    const { code, reason } = this.closeEvent
    if (code !== CloseCode.TooLarge) return undefined
    const at = { request: nameOf(request), target: this.target }
    const exceeded = FrameLimit.parse(reason)
    if (exceeded === undefined) {
      const own = `the peer closed without naming its limit; the frame of this request has ${length} bytes`
      return length === longest ? new ConnectionClosed({ ...at, code, reason: own }) : undefined
    }
    const { limit, size } = exceeded
    if (length > limit) return new FrameTooLarge({ ...at, size: length, limit })
    // What is counted here are UTF-16 units, which take up to three bytes.
    const isLongest = length === longest && length * 3 > limit
    return isLongest ? new FrameTooLarge({ ...at, size: size ?? length, limit }) : undefined
  }

  private connectionClosed(request: string): ConnectionClosed {
    return new ConnectionClosed({ request, target: this.target, ...this.closeEvent })
  }

  private invalidPayload(request: string, issue: string): InvalidPayload {
    return new InvalidPayload({ request, target: this.target, foundBy: "caller", issue })
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

/** A handler that hasn't ended yet. */
interface InFlight {
  readonly id: number
  readonly running: Execution.Execution<unknown, Frame.Failure>
  cancelled: boolean
}

/** How many malformed frames of one connection are logged before the rest are dropped in silence. */
const maxMalformedLogged = 10

/** The longest path and error, in characters, of the answer that stands for one that can't be sent. */
const maxRefusalLength = 1000

const shortened = (text: string): string =>
  text.length > maxRefusalLength ? `${text.slice(0, maxRefusalLength)}…` : text

const utf8Length = (text: string): number => new TextEncoder().encode(text).length
