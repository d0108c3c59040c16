/**
 * One connection's engine, the same at both ends and on any {@link Transport}: correlation, deadlines, handlers,
 * cancellation, heartbeat and backpressure.
 *
 * A connection is `open`, then `closing` (this end has sent its close event), then `closed`:
 *
 * | event | open | closing | closed |
 * | --- | --- | --- | --- |
 * | a request or message is sent | goes out, or waits while too much is unsent | `ConnectionClosed` | `ConnectionClosed` |
 * | a request or message arrives | is handled; waits while too much is in flight or unsent; is refused where too many wait | is ignored | is ignored |
 * | a response or cancellation arrives | is handled | is ignored | is ignored |
 * | a frame over the limit arrives | `close` with 1009 | is ignored | is ignored |
 * | a handler ends | its response goes out; waits while too much is unsent; is replaced by a failure where too much waits | dropped: it was interrupted | dropped |
 * | the peer reads nothing and sends on | `close` with 4003 once its refusals are too many | – | – |
 * | a deadline passes | `RequestTimeout` | – | – |
 * | two heartbeats pass in silence | terminates | – | – |
 * | `close` | requests in flight fail, handlers are interrupted, the close event is sent | waits for the end | nothing |
 * | the transport ends | requests in flight fail, handlers are interrupted | is closed | – |
 *
 * @since 0.1.0
 */
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
import { IdMap } from "../internal/IdMap.js"
import { quote } from "../internal/Printable.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import { Waiters } from "../internal/Waiters.js"
import { ConnectionMemory } from "./ConnectionMemory.js"
import * as Frame from "./Frame.js"
import * as FrameLimit from "./FrameLimit.js"
import { IncomingRequests } from "./IncomingRequests.js"
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
  private readonly memory: ConnectionMemory
  private readonly outbox: Outbox
  private readonly incoming: IncomingRequests<Caller>
  private readonly heartbeat: Expiring
  private readonly awaitingEnd = new Waiters()
  /** The requests whose frames the peer didn't take, by the errors they ended with. */
  private refusals: Map<unknown, FrameTooLarge | ConnectionClosed> | undefined
  private closeEvent: CloseEvent = { code: CloseCode.Abnormal, reason: "" }
  private lastId = 0
  private dropped = 0
  private heard = true
  private silentHeartbeats = 0
  /** For how many heartbeats in turn requests or frames have waited. */
  private boundHeartbeats = 0

  /** @internal */
  constructor(
    private readonly context: IPCSocketContext<Caller>,
    private readonly transport: Transport,
    /** What errors and log lines call the peer. */
    readonly target: string,
    /** What handlers here are told of who calls. */
    readonly caller: Caller
  ) {
    this.memory = new ConnectionMemory(transport, context.highWaterMark, context.budget)
    this.outbox = new Outbox(transport, this.memory)
    this.incoming = new IncomingRequests(context, this, this.outbox, this.memory)
    this.heartbeat = {
      dueAt: 0,
      millis: context.heartbeatMillis,
      onDeadline: (lateMillis) => this.onHeartbeat(lateMillis)
    }
    context.deadlines.add(this.heartbeat)
    transport.listen({
      onText: (text) => this.onText(text),
      onBinary: (size) => this.logDropped(`${size} bytes of binary`, "it isn't text"),
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
      inFlight: this.incoming.running,
      departures: this.outbox.waiting,
      backlog: this.incoming.waiting
    }
  }

  /** @internal How many bytes the connection holds. */
  get heldBytes(): number {
    return this.memory.bytes
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
    const limit = this.context.maxFrameBytes
    if (!FrameLimit.isExceeded(text, limit)) return text
    return new FrameTooLarge({ request: name, target: this.target, size: FrameLimit.utf8Length(text), limit })
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
    this.incoming.beginBatch()
    if (!this.transport.extended) return this.onFrame(text, 0, text.length)
    for (let end = -1; end < text.length; ) {
      const start = end + 1
      end = Frame.endOf(text, start)
      this.onFrame(text, start, end)
    }
  }

  private onFrame(batch: string, start: number, end: number): void {
    if (this.state !== "open") return
    const { maxFrameBytes } = this.context
    const text = start === 0 && end === batch.length ? batch : batch.slice(start, end)
    if (FrameLimit.isExceeded(text, maxFrameBytes)) {
      return this.startClosing(FrameLimit.exceeded(maxFrameBytes, FrameLimit.utf8Length(text)))
    }
    const type = text.charCodeAt(0)
    if (type === Frame.typeRequest || type === Frame.typeMessage) return this.incoming.take(text, batch, start)
    const frame = Frame.parse(text)
    switch (frame.type) {
      case "s":
        return this.onResponse(frame)
      case "c":
        return this.transport.extended ? this.incoming.cancel(frame.id) : this.logDropped(text, "its type is unknown")
      case "malformed":
        return this.logDropped(text, frame.issue)
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

  private onDrain(): void {
    this.outbox.drain()
    this.incoming.resume()
  }

  private onHeartbeat(lateMillis: number): void {
    if (this.state !== "open") return
    if (this.heard) this.silentHeartbeats = 0
    // A time in which this end itself was stalled isn't the peer's silence.
    else if (lateMillis < this.heartbeat.millis / 2) this.silentHeartbeats++
    this.watchBound()
    this.heard = false
    if (this.silentHeartbeats === 2) {
      this.closeEvent = { code: CloseCode.Silent, reason: "silent for two heartbeats" }
      return this.transport.terminate()
    }
    this.transport.ping()
    this.context.deadlines.add(this.heartbeat)
  }

  /** Logs once that this connection stays at its bound. */
  private watchBound(): void {
    const { backlog, departures, inFlight } = this.held
    this.boundHeartbeats = backlog + departures > 0 ? this.boundHeartbeats + 1 : 0
    if (this.boundHeartbeats !== 2) return
    const held = `${inFlight} handlers in flight, ${backlog} requests and ${departures} frames waiting, ${this.memory.outbound} bytes unread`
    this.context.runFork(Effect.logWarning(`The connection to ${this.target} stays at its bound: ${held}`))
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
    this.incoming.clear()
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
    this.memory.close()
  }

  private encode(request: Exclude<UntypedRequest, string>, payload: unknown): Effect.Effect<unknown, InvalidPayload> {
    return SyncEffect.mapError(request.payload.encode(payload), (issue) =>
      this.invalidPayload(request.name, ParseResult.TreeFormatter.formatIssueSync(issue))
    )
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

  /** @internal */
  logDropped(text: string, issue: string): void {
    if (++this.dropped > maxDroppedLogged) return
    const last = this.dropped === maxDroppedLogged ? "; further ones of this connection are dropped in silence" : ""
    const shown = quote(text.slice(0, 100))
    this.context.runFork(Effect.logWarning(`Dropped a frame of ${this.target}, since ${issue}: ${shown}${last}`))
  }
}

/** How many dropped frames of one connection are logged. */
const maxDroppedLogged = 10
