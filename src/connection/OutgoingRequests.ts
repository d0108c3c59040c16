/**
 * This end's own requests and messages: sent when they may be, and ended by a response, a deadline or the connection's end.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ParseResult from "effect/ParseResult"
import type { AnySpan } from "effect/Tracer"
import { CloseCode } from "../CloseEvent.js"
import type { NotifyError } from "../IPCError.js"
import { ConnectionClosed, FrameTooLarge, InvalidPayload, InvalidResponse, RequestTimeout } from "../IPCError.js"
import type { Codec, UntypedRequest } from "../IPCRequest.js"
import { nameOf } from "../IPCRequest.js"
import { CallbackEffect } from "../internal/CallbackEffect.js"
import type { Expiring } from "../internal/Deadlines.js"
import { IdMap } from "../internal/IdMap.js"
import { millisOf } from "../internal/MonotonicTime.js"
import { quote } from "../internal/Printable.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import type { OnEnd, Waiting } from "../internal/Waiting.js"
import { outcomeOf } from "../telemetry/CallTimer.js"
import { clientDurations, pendingCalls } from "../telemetry/Metrics.js"
import * as TraceContext from "../telemetry/TraceContext.js"
import type { Connection } from "./Connection.js"
import type { Departure } from "./Departure.js"
import * as Frame from "./Frame.js"
import * as FrameBytes from "./FrameBytes.js"
import * as FrameLimit from "./FrameLimit.js"
import type { SharedContext } from "./IPCSocketOptions.js"
import type { Outbox } from "./Outbox.js"
import { PendingRequest } from "./PendingRequest.js"
import * as ResponseDecoder from "./ResponseDecoder.js"
import type { Packet } from "./Transport.js"

export class OutgoingRequests {
  private readonly entries = new IdMap<PendingRequest>()
  /** The requests whose frames the peer didn't take, by the errors they ended with. */
  private refusals: Map<unknown, FrameTooLarge | ConnectionClosed> | undefined
  private lastId = 0

  constructor(
    private readonly context: SharedContext,
    private readonly connection: Connection,
    private readonly outbox: Outbox
  ) {}

  /** How many requests wait for their responses. */
  get pending(): number {
    return this.entries.size
  }

  /** A new id, told from those of all other requests and streams of this end. */
  nextId(): number {
    return ++this.lastId
  }

  /** Where a request failed with this error and would fail again on another connection: why. */
  refusal(error: unknown): FrameTooLarge | ConnectionClosed | undefined {
    return this.refusals?.get(error)
  }

  /** Sends a request whose payload is encoded first, without a fiber where that needs none. */
  exchangeEncoded(
    request: Exclude<UntypedRequest, string>,
    payload: unknown,
    millis: number,
    onEnd: OnEnd<unknown, unknown>,
    span: AnySpan | undefined
  ): Waiting | undefined {
    const encoded = this.encode(request, payload)
    const exit = SyncEffect.exitOf(encoded)
    if (exit !== undefined && Exit.isSuccess(exit)) return this.exchange(request, exit.value, millis, onEnd, span)
    onEnd(
      Effect.flatMap(
        encoded,
        (value) => new CallbackEffect((ended) => this.exchange(request, value, millis, ended, span))
      )
    )
    return undefined
  }

  exchange(
    request: UntypedRequest,
    payload: unknown,
    millis: number,
    onEnd: OnEnd<unknown, unknown>,
    span: AnySpan | undefined
  ): Waiting | undefined {
    const id = this.nextId()
    const packet = this.print("r", id, nameOf(request), payload, span)
    if (!isPacket(packet)) {
      onEnd(Exit.fail(packet))
      return undefined
    }
    const pending = new PendingRequest(this, id, request, millis, packet.length, onEnd)
    this.entries.add(pending)
    pendingCalls(1)
    this.context.deadlines.add(pending)
    pending.startedAt = Number.isFinite(millis) ? pending.dueAt - millis : millisOf(this.context.clock)
    this.outbox.request(packet, pending)
    return pending
  }

  /** Sends a message. */
  dispatch(name: string, payload: unknown, millis: number): Effect.Effect<void, NotifyError> {
    return Effect.withFiberRuntime((fiber) => {
      const packet = this.print("m", undefined, name, payload, fiber.currentSpan)
      if (!isPacket(packet)) return Effect.fail(packet)
      const message = new PendingMessage()
      return this.outbox.request(packet, message) ? Effect.void : this.waitToDepart(name, message, millis)
    })
  }

  encode(request: Exclude<UntypedRequest, string>, payload: unknown): Effect.Effect<unknown, InvalidPayload> {
    return this.encodeWith(request.name, request.payload, payload)
  }

  /** Encodes a payload; as it is, where it has no codec. */
  encodeWith(
    name: string,
    codec: Codec<unknown> | undefined,
    payload: unknown
  ): Effect.Effect<unknown, InvalidPayload> {
    if (codec === undefined) return Exit.succeed(payload)
    return SyncEffect.mapError(codec.encode(payload), (issue) =>
      this.invalidPayload(name, ParseResult.TreeFormatter.formatIssueSync(issue))
    )
  }

  /** The frame of a request or message, or of a stream that is opened; or why it can't be sent. */
  print(
    type: "r" | "m" | "q",
    id: number | undefined,
    name: string,
    payload: unknown,
    span: AnySpan | undefined
  ): Packet | ConnectionClosed | InvalidPayload | FrameTooLarge {
    if (this.connection.state !== "open") return this.connectionClosed(name)
    const packet = this.printData(type, id, name, payload, span)
    // A getter or a toJSON method of the payload may have closed it.
    if (this.connection.state !== "open") return this.connectionClosed(name)
    if (!Frame.isPrinted(packet)) return this.invalidPayload(name, packet.issue)
    const limit = this.connection.maxFrameBytes
    if (!FrameLimit.isExceeded(packet, limit)) return packet
    return new FrameTooLarge({ request: name, target: this.connection.target, size: FrameLimit.sizeOf(packet), limit })
  }

  onResponse(frame: Frame.Response): void {
    const pending = this.entries.get(frame.id)
    if (pending === undefined) {
      this.context.runFork(
        Effect.logDebug(`Dropped a late response of ${this.connection.target} to ${quote(frame.path.slice(0, 100))}`)
      )
      return
    }
    this.forget(pending)
    const result = ResponseDecoder.decode(pending.request, this.connection.target, frame.data)
    const exit = SyncEffect.exitOf(result)
    this.record(pending, this.context.timer.arrival, exit === undefined ? undefined : outcomeOf(exit))
    pending.onEnd(result)
  }

  /** A response that can't be read. */
  onUnreadable(id: number, issue: string): void {
    const pending = this.entries.get(id)
    if (pending === undefined) return
    this.forget(pending)
    const error = new InvalidResponse({ request: nameOf(pending.request), target: this.connection.target, issue })
    this.record(pending, this.context.timer.arrival, error._tag)
    pending.onEnd(Exit.fail(error))
  }

  expire(pending: PendingRequest): void {
    const departed = pending.packet === undefined
    if (!this.forget(pending)) return
    if (departed) this.cancelAtPeer(pending.id)
    const error = this.timeout(nameOf(pending.request), pending.millis)
    this.record(pending, millisOf(this.context.clock), error._tag)
    pending.onEnd(Exit.fail(error))
  }

  abandon(pending: PendingRequest): void {
    const departed = pending.packet === undefined
    if (!this.forget(pending)) return
    if (departed) this.cancelAtPeer(pending.id)
    this.record(pending, millisOf(this.context.clock), "interrupted")
  }

  /** The peer has told that it takes no frame of this size. */
  refuse(pending: PendingRequest, size: number, limit: number): void {
    if (!this.forget(pending)) return
    const request = nameOf(pending.request)
    const error = new FrameTooLarge({ request, target: this.connection.target, size, limit })
    this.record(pending, millisOf(this.context.clock), error._tag)
    pending.onEnd(Exit.fail(error))
  }

  cancelAtPeer(id: number): void {
    if (this.connection.agreement.version > 0 && this.connection.state === "open") {
      this.outbox.send(Frame.printCancel(id))
    }
  }

  /** Every request fails: the connection has ended. */
  clear(): void {
    const ended = this.entries.entries()
    const longest = ended.reduce((length, pending) => Math.max(length, pending.length), 0)
    const now = ended.length === 0 ? 0 : millisOf(this.context.clock)
    for (const pending of ended) {
      // One that came before may have abandoned it.
      if (!this.forget(pending)) continue
      const error = this.connectionClosed(nameOf(pending.request))
      this.record(pending, now, error._tag)
      const refusal = this.refusalOf(pending, longest)
      if (refusal !== undefined) this.refusals = (this.refusals ?? new Map()).set(error, refusal)
      pending.onEnd(Exit.fail(error))
    }
  }

  connectionClosed(request: string, isStream = false): ConnectionClosed {
    const { closeEvent, target } = this.connection
    return new ConnectionClosed({ request, target, ...closeEvent, ...(isStream ? { stream: true } : {}) })
  }

  timeout(request: string, millis: number): RequestTimeout {
    return new RequestTimeout({ request, target: this.connection.target, millis })
  }

  invalidPayload(request: string, issue: string): InvalidPayload {
    return new InvalidPayload({ request, target: this.connection.target, foundBy: "caller", issue })
  }

  private printData(
    type: "r" | "m" | "q",
    id: number | undefined,
    name: string,
    payload: unknown,
    span: AnySpan | undefined
  ) {
    const { agreement } = this.connection
    if (agreement.version < 2) {
      return id === undefined ? Frame.printMessage(name, payload) : Frame.printRequest(id, name, payload)
    }
    const context = span === undefined ? "" : TraceContext.print(span)
    return FrameBytes.printData(`${type}:${id ?? ""}${context}:${name}:`, payload, agreement)
  }

  private waitToDepart(name: string, message: PendingMessage, millis: number): Effect.Effect<void, NotifyError> {
    return Effect.async((resume) => {
      const expiring: Expiring = {
        dueAt: 0,
        millis,
        onDeadline: () => {
          this.outbox.withdraw(message)
          resume(Effect.fail(this.timeout(name, millis)))
        }
      }
      message.onDeparted = () => {
        this.context.deadlines.remove(expiring)
        resume(this.connection.state === "open" ? Effect.void : Effect.fail(this.connectionClosed(name)))
      }
      message.onTooLarge = (size, limit) => {
        this.context.deadlines.remove(expiring)
        this.outbox.withdraw(message)
        resume(Effect.fail(new FrameTooLarge({ request: name, target: this.connection.target, size, limit })))
      }
      this.context.deadlines.add(expiring)
      message.tellMissed?.()
      return Effect.sync(() => {
        this.outbox.withdraw(message)
        this.context.deadlines.remove(expiring)
      })
    })
  }

  private record({ request, startedAt }: PendingRequest, now: number, errorType: string | undefined): void {
    clientDurations(nameOf(request)).record((now - startedAt) / 1000, errorType)
  }

  /** Whether it was still waiting. */
  private forget(pending: PendingRequest): boolean {
    if (!this.entries.delete(pending.id)) return false
    pendingCalls(-1)
    this.context.deadlines.remove(pending)
    if (pending.packet !== undefined) this.outbox.withdraw(pending)
    return true
  }

  /** Why a request that ends with the connection would fail again: its frame is too large for the peer, at all or just then. */
  private refusalOf(
    { length, request }: PendingRequest,
    longest: number
  ): FrameTooLarge | ConnectionClosed | undefined {
    const { code, reason } = this.connection.closeEvent
    const at = { request: nameOf(request), target: this.connection.target }
    if (code === CloseCode.TryAgainLater && length === longest) return new ConnectionClosed({ ...at, code, reason })
    if (code !== CloseCode.TooLarge) return undefined
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
}

/** A message that may have to wait before it is sent. */
class PendingMessage implements Departure {
  packet: Packet | undefined = undefined
  /** Tells what happened before the fiber waited for it: a fiber may yield in between. */
  tellMissed: (() => void) | undefined = undefined

  onDeparted(): void {
    this.tellMissed = () => this.onDeparted()
  }

  onTooLarge(size: number, limit: number): void {
    this.tellMissed = () => this.onTooLarge(size, limit)
  }
}

const isPacket = (printed: Packet | Error): printed is Packet => !(printed instanceof Error)
