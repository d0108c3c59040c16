/**
 * The consuming end of a stream: keeps what has arrived until the application takes it, and grants more as it does.
 *
 * @internal
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import type { Grants } from "./Grants.js"
import type { Credit } from "./Hello.js"

type Pulled<E> = Effect.Effect<Chunk.Chunk<unknown>, Option.Option<E>>

export class StreamReceiver<E> {
  private arrived: Array<unknown> = []
  /** What has arrived and waits to be taken. */
  private waitingBytes = 0
  /** What the application has taken and works on. */
  private takenCount = 0
  private takenBytes = 0
  /** What it has consumed and isn't granted again yet. */
  private consumedCount = 0
  private consumedBytes = 0
  /** What has arrived and isn't granted again yet. */
  private usedCount = 0
  private usedBytes = 0
  private ended: Effect.Effect<void, E> | undefined
  /** Called when something has arrived, where that is waited for. */
  private resume: ((next: Pulled<E>) => void) | undefined

  constructor(
    private readonly window: Credit,
    private readonly memory: ConnectionMemory,
    private readonly grants: Grants
  ) {}

  get isEnded(): boolean {
    return this.ended !== undefined
  }

  /** Takes elements of so many bytes. False where the producer had no credit for them. */
  offer(elements: ReadonlyArray<unknown>, bytes: number): boolean {
    if (this.ended !== undefined) return true
    const { window } = this
    const overdraws = elements.length > 1 && this.usedBytes + bytes > window.bytes
    if (this.usedCount + elements.length > window.count || this.usedBytes >= window.bytes || overdraws) return false
    this.usedCount += elements.length
    this.usedBytes += bytes
    this.waitingBytes += bytes
    this.memory.streams += bytes
    this.memory.settle()
    for (const element of elements) this.arrived.push(element)
    this.onArrival()
    return true
  }

  /** Grants the whole window at first. */
  open(): void {
    this.grants.add(this.window)
  }

  /** No more comes; what has arrived can still be taken. */
  end(exit: Effect.Effect<void, E>): void {
    this.ended ??= exit
    this.grants.close()
    this.onArrival()
  }

  /** Nothing is taken any more. */
  close(): void {
    this.ended ??= Effect.void
    this.grants.close()
    this.arrived = []
    this.memory.streams -= this.waitingBytes + this.takenBytes
    this.waitingBytes = 0
    this.takenCount = 0
    this.takenBytes = 0
    this.memory.settle()
  }

  /** All that has arrived, once there is something; asking for it tells that what was taken before is consumed. */
  readonly pull: Pulled<E> = Effect.suspend(() => {
    this.consume()
    return this.take()
  })

  /** Run by the fiber that has waited, so that one that was interrupted takes nothing. */
  private readonly taken: Pulled<E> = Effect.suspend(() => this.take())

  private readonly wait: Pulled<E> = Effect.async((resume) => {
    // The fiber may have yielded meanwhile, and something may have arrived.
    if (this.arrived.length > 0 || this.ended !== undefined) resume(this.taken)
    // Nothing to clear up after an interruption: that would cost a dozen steps of the fiber for each wait.
    else this.resume = resume
  })

  private take(): Pulled<E> {
    return this.next() ?? this.wait
  }

  private onArrival(): void {
    const { resume } = this
    this.resume = undefined
    resume?.(this.taken)
  }

  private next(): Pulled<E> | undefined {
    const { arrived, ended } = this
    if (arrived.length > 0) {
      this.arrived = []
      this.takenCount = arrived.length
      this.takenBytes = this.waitingBytes
      this.waitingBytes = 0
      return Effect.succeed(Chunk.unsafeFromArray(arrived))
    }
    if (ended === undefined) return undefined
    return Effect.flatMap(Effect.mapError(ended, Option.some), () => Effect.fail(Option.none()))
  }

  private consume(): void {
    if (this.takenCount === 0) return
    this.memory.streams -= this.takenBytes
    this.memory.settle()
    this.consumedCount += this.takenCount
    this.consumedBytes += this.takenBytes
    this.takenCount = 0
    this.takenBytes = 0
    if (this.ended !== undefined) return
    if (this.consumedCount * 2 < this.window.count && this.consumedBytes * 2 < this.window.bytes) return
    const credit = { count: this.consumedCount, bytes: this.consumedBytes }
    this.usedCount -= credit.count
    this.usedBytes -= credit.bytes
    this.consumedCount = 0
    this.consumedBytes = 0
    this.grants.add(credit)
  }
}
