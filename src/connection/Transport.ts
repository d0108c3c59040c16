/**
 * What carries the text frames of one connection. The engine (IPCSocket) knows nothing else of the network.
 *
 * @since 0.1.0
 */

/**
 * How a connection ended: a WebSocket close code (RFC 6455 section 7.4) and reason.
 *
 * @since 0.1.0
 * @category models
 */
export interface CloseEvent {
  readonly code: number
  readonly reason: string
}

/**
 * What a transport tells its one listener, never from within a call to the transport, `terminate` apart. `onClosed`
 * comes once, last.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportListener {
  readonly onText: (text: string) => void
  /** Something arrived that isn't ours to read: a frame that isn't text. */
  readonly onBinary: (size: number) => void
  /** A ping or pong arrived: the peer lives. */
  readonly onAlive: () => void
  /** What was sent has left, wholly or for the most part. */
  readonly onDrain: () => void
  readonly onClosed: (event: CloseEvent) => void
}

/**
 * One connection, already open. No method throws, in whatever state the connection is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  /** Whether the peer agreed to more than plain frames (Frame.subprotocol). */
  readonly extended: boolean
  readonly listen: (listener: TransportListener) => void
  readonly send: (text: string) => void
  /** Bytes handed to `send` that haven't left yet. */
  readonly unsent: () => number
  readonly ping: () => void
  readonly pause: () => void
  readonly resume: () => void
  /** Says goodbye; `onClosed` comes once the peer has answered or, at the latest, a quarter of a second later. */
  readonly close: (event: CloseEvent) => void
  /** Ends it without a word; `onClosed` comes at once. */
  readonly terminate: () => void
}

/**
 * The close codes the library uses beside the standard ones.
 *
 * @since 0.1.0
 * @category models
 */
export const CloseCode = {
  /** Closed on purpose. */
  Normal: 1000,
  /** The server or client goes away. */
  GoingAway: 1001,
  /** The connection broke without a close frame. */
  Abnormal: 1006,
  /** A frame over the limit arrived. */
  TooLarge: 1009,
  /** A newer connection has the same runtimeId; the one closed so doesn't reconnect. */
  Replaced: 4001,
  /** The peer was silent for two heartbeats. */
  Silent: 4002
} as const

/**
 * A pair of connected transports in memory: what one sends, the other hears, in order, in a later microtask.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makePair = (options?: { readonly extended?: boolean }): readonly [MemoryTransport, MemoryTransport] => {
  const extended = options?.extended ?? true
  const left = new MemoryTransport(extended)
  const right = new MemoryTransport(extended)
  left.peer = right
  right.peer = left
  return [left, right]
}

/**
 * One end of a pair in memory. A test can freeze it, as a stopped process would be: it hears and says nothing until
 * thawed.
 *
 * @since 0.1.0
 * @category models
 */
export class MemoryTransport implements Transport {
  readonly extended: boolean
  /** @internal */
  peer!: MemoryTransport
  private listener: TransportListener | undefined
  private readonly inbox: Array<() => void> = []
  /** What would have gone out while frozen. */
  private outbox: Array<() => void> = []
  private unsentBytes = 0
  private scheduled = false
  private paused = false
  private frozen = false
  private open = true

  constructor(extended: boolean) {
    this.extended = extended
  }

  listen(listener: TransportListener): void {
    this.listener = listener
    this.schedule()
  }

  send(text: string): void {
    if (!this.open) return
    this.unsentBytes += text.length
    this.tell(() => {
      this.unsentBytes -= text.length
      if (this.peer.open) this.peer.listener?.onText(text)
      if (this.open) this.listener?.onDrain()
    })
  }

  unsent(): number {
    return this.unsentBytes
  }

  ping(): void {
    if (!this.open) return
    this.tell(() => {
      if (!this.peer.open) return
      this.peer.listener?.onAlive()
      this.peer.tell(() => {
        if (this.open) this.listener?.onAlive()
      })
    })
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.schedule()
  }

  close(event: CloseEvent): void {
    if (!this.open) return
    this.tell(() => this.peer.end(event))
    queueMicrotask(() => this.end(event))
  }

  terminate(): void {
    if (!this.open) return
    const event = { code: CloseCode.Abnormal, reason: "" }
    this.tell(() => this.peer.end(event))
    this.end(event)
  }

  freeze(): void {
    this.frozen = true
  }

  thaw(): void {
    this.frozen = false
    const { outbox } = this
    this.outbox = []
    for (const deliver of outbox) this.peer.receive(deliver)
    this.schedule()
  }

  private end(event: CloseEvent): void {
    if (!this.open) return
    this.open = false
    this.listener?.onClosed(event)
  }

  private tell(deliver: () => void): void {
    if (this.frozen) this.outbox.push(deliver)
    else this.peer.receive(deliver)
  }

  private receive(deliver: () => void): void {
    this.inbox.push(deliver)
    this.schedule()
  }

  private schedule(): void {
    if (this.scheduled || this.inbox.length === 0) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      while (this.inbox.length > 0 && this.listener !== undefined && !this.paused && !this.frozen) {
        this.inbox.shift()?.()
      }
    })
  }
}
