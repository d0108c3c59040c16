/**
 * How much memory one connection holds, in bytes: the one place that knows. A UTF-16 unit is counted as a byte.
 *
 * @internal
 */
import type { Account, Budget } from "../MemoryBudget.js"
import { memory } from "../telemetry/Metrics.js"
import type { Transport } from "./Transport.js"

export class ConnectionMemory {
  /** Frames that wait to be sent. */
  departing = 0
  /** Requests that wait for the peer's credit. They don't keep this end from handling the peer's: both would wait. */
  uncredited = 0
  /** Requests whose handlers run, and the responses that are expected of them. */
  inFlight = 0
  /** Elements of streams that have arrived and aren't consumed. They hold back their own stream alone. */
  streams = 0
  /** The payloads of streams whose handlers run. They hold back further streams alone. */
  streamPayloads = 0
  /** Requests that wait to be handled. */
  backlog = 0
  /** What has arrived of a large frame that isn't whole yet. */
  receiving = 0
  private readonly account: Account
  private isClosed = false

  constructor(
    private readonly transport: Transport,
    private readonly highWaterMark: number,
    private readonly budget: Budget
  ) {
    this.account = budget.open()
  }

  /** Whether the process holds too much, so that this connection may hold less. */
  get isPressed(): boolean {
    return this.budget.isExceeded
  }

  /** What either direction may hold: the high-water mark, or less while the process holds too much. */
  get mark(): number {
    return this.budget.isExceeded ? Math.min(this.highWaterMark, this.budget.share) : this.highWaterMark
  }

  /** What responses of handlers that run already may hold: they were let in before their size was known. */
  get responseLimit(): number {
    return this.budget.isExceeded ? this.mark : 4 * this.highWaterMark
  }

  /** Whether the process holds too much for so many bytes more of this connection. */
  isTooMuch(bytes: number): boolean {
    return this.budget.isFull && bytes > this.mark
  }

  /** Why a payload that would take this many bytes isn't parsed; undefined if the process has room for it. */
  parsingIssue(bytes: number): string | undefined {
    const { budget } = this
    if (budget.hasRoomFor(bytes)) return undefined
    return `it takes about ${bytes} bytes once it is parsed; ${this.fullness}, and may hold ${budget.limit}`
  }

  /** Why something of this connection is refused. */
  get fullness(): string {
    return `the process holds ${this.budget.heldBytes} bytes for its peers`
  }

  /** What hasn't left yet. */
  get outbound(): number {
    return this.transport.unsent() + this.departing
  }

  get bytes(): number {
    const incoming = this.inFlight + this.streams + this.streamPayloads + this.backlog + this.receiving
    return this.outbound + this.uncredited + incoming
  }

  /** Tells the process what this connection holds, where it has changed by enough to matter. */
  settle(): void {
    // Handlers may end after the connection.
    if (this.isClosed) return
    const { account, bytes } = this
    const change = bytes - account.bytes
    if (change === 0 || (bytes !== 0 && Math.abs(change) < granularity)) return
    account.set(bytes)
    memory(change)
  }

  /** From now on the connection counts as holding nothing. */
  close(): void {
    this.isClosed = true
    memory(-this.account.bytes)
    this.account.close()
  }
}

/** What a connection holds below this needn't be told. */
export const granularity = 64 * 1024
