/**
 * A request that waits for its response.
 *
 * @internal
 */
import type { UntypedRequest } from "../IPCRequest.js"
import type { Expiring } from "../internal/Deadlines.js"
import type { Linked } from "../internal/LinkedList.js"
import type { OnEnd, Waiting } from "../internal/Waiting.js"
import type { Departure } from "./Departure.js"
import type { Packet } from "./Transport.js"

/** What a connection of any caller is to its requests. */
export interface Requester {
  readonly expire: (pending: PendingRequest) => void
  readonly abandon: (pending: PendingRequest) => void
  readonly refuse: (pending: PendingRequest, size: number, limit: number) => void
}

/** It is its own deadline, its own handle and its own place in the outbox, so that a request costs one object. */
export class PendingRequest implements Expiring, Waiting, Departure {
  dueAt = 0
  /** When it was begun, in monotonic milliseconds. */
  startedAt = 0
  previous: Linked | undefined = undefined
  next: Linked | undefined = undefined
  packet: Packet | undefined = undefined

  constructor(
    private readonly requester: Requester,
    readonly id: number,
    readonly request: UntypedRequest,
    readonly millis: number,
    /** The length of its frame. */
    readonly length: number,
    readonly onEnd: OnEnd<unknown, unknown>
  ) {}

  abandon(): void {
    this.requester.abandon(this)
  }

  onDeadline(): void {
    this.requester.expire(this)
  }

  onTooLarge(size: number, limit: number): void {
    this.requester.refuse(this, size, limit)
  }
}
