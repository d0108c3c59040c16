/** Two ends of one connection in memory, and scripted transports, for tests of what runs over them. */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type { CloseEvent } from "../../src/CloseEvent.js"
import { CloseCode } from "../../src/CloseEvent.js"
import * as Handlers from "../../src/connection/Handlers.js"
import { IPCSocket } from "../../src/connection/IPCSocket.js"
import type { IPCSocketOptions } from "../../src/connection/IPCSocketOptions.js"
import { makeContext } from "../../src/connection/IPCSocketOptions.js"
import { makePair } from "../../src/connection/MemoryTransport.js"
import type { Agreement } from "../../src/connection/Subprotocol.js"
import * as Subprotocol from "../../src/connection/Subprotocol.js"
import type { Packet, Transport, TransportListener } from "../../src/connection/Transport.js"
import * as Deadlines from "../../src/internal/Deadlines.js"

const agreementOf = (version: 0 | 1 | 2): Agreement =>
  [Subprotocol.plain, Subprotocol.extended, Subprotocol.streaming][version] as Agreement

/** An engine over the transport, its handlers, and whom it thinks it talks to. */
export const makeEnd = Effect.fnUntraced(function* <T extends Transport>(
  transport: T,
  target: string,
  options: IPCSocketOptions = {}
) {
  const handlers = Handlers.make<string>()
  const context = yield* makeContext(handlers, yield* Deadlines.make, options)
  const socket = new IPCSocket(context, transport, target, target)
  return { handlers, socket, transport, handle: handlers.handle }
})

/** Two engines in one process: each calls the other by the other's name. */
export const makeEnds = Effect.fnUntraced(function* (
  options: {
    readonly extended?: boolean
    readonly version?: 0 | 1 | 2
    readonly near?: IPCSocketOptions
    readonly far?: IPCSocketOptions
  } = {}
) {
  const [left, right] = makePair(agreementOf(options.version ?? (options.extended === false ? 0 : 1)))
  return {
    near: yield* makeEnd(left, "far", options.near),
    far: yield* makeEnd(right, "near", options.far)
  }
})

/** An engine whose peer is a bare transport: the test speaks the wire itself. */
export const makeEndAndPeer = Effect.fnUntraced(function* (
  options: IPCSocketOptions & { readonly extended?: boolean; readonly version?: 0 | 1 | 2 } = {}
) {
  const [left, right] = makePair(agreementOf(options.version ?? (options.extended === true ? 1 : 0)))
  const near = yield* makeEnd(left, "peer", options)
  const heard: Array<string> = []
  const closes: Array<CloseEvent> = []
  const waiting = new Set<() => void>()
  right.listen({
    onText: (text) => {
      heard.push(text)
      for (const check of waiting) check()
    },
    onBytes: () => {},
    onReceiving: () => {},
    onAlive: () => {},
    onDrain: () => {},
    onClosed: (event) => {
      closes.push(event)
    }
  })
  /** Waits until the peer has heard this many texts, and returns them all. */
  const hears = (count: number): Effect.Effect<ReadonlyArray<string>> =>
    Effect.async((resume) => {
      const check = () => {
        if (heard.length < count) return
        waiting.delete(check)
        resume(Effect.succeed([...heard]))
      }
      waiting.add(check)
      check()
    })
  return { ...near, peer: { transport: right, heard, hears, closes } }
})

/** A transport that does nothing by itself: the test decides what has left, what arrives and when it ends. */
export class ScriptedTransport implements Transport {
  readonly sent: Array<string> = []
  readonly calls: Array<string> = []
  listener!: TransportListener
  unsentBytes = 0
  /** Whether what is sent piles up instead of leaving at once. */
  stalled = false

  readonly agreement: Agreement

  constructor(extended: boolean | 0 | 1 | 2) {
    this.agreement = agreementOf(typeof extended === "number" ? extended : extended ? 1 : 0)
  }

  listen(listener: TransportListener): void {
    this.listener = listener
  }
  send(packet: Packet): void {
    this.sent.push(String(packet))
    if (this.stalled) this.unsentBytes += packet.length
  }
  unsent(): number {
    return this.unsentBytes
  }
  ping(): void {
    this.calls.push("ping")
  }
  close(event: CloseEvent): void {
    this.calls.push(`close ${event.code}`)
  }
  terminate(): void {
    this.calls.push("terminate")
    this.listener.onClosed({ code: CloseCode.Abnormal, reason: "" })
  }
  /** All that was sent has left. */
  drain(): void {
    this.unsentBytes = 0
    this.listener.onDrain()
  }
}

/** What an engine holds at rest. */
export const nothing = { pending: 0, inFlight: 0, departures: 0, backlog: 0 }

/** Runs the effect with what is logged, from debug up, collected as `LEVEL message`. */
export const withLog = <A, E, R>(use: (lines: ReadonlyArray<string>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
      const text = Array.isArray(message) ? message.join(" ") : String(message)
      lines.push(`${logLevel.label} ${text}${cause._tag === "Empty" ? "" : ` (${cause._tag})`}`)
    })
    return use(lines).pipe(
      Logger.withMinimumLogLevel(LogLevel.Debug),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Effect.provide(Logger.add(logger))
    )
  })

/** Lets everything that can run without time passing run: microtasks, fibers and their timers of zero. */
export const settled: Effect.Effect<void> = Effect.promise(async () => {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve))
})
