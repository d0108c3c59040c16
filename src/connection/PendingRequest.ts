/**
 * A request that waits for its response.
 *
 * @internal
 */
import type { UntypedRequest } from "../IPCRequest.js"
import type { OnEnd, Waiting } from "../internal/CallbackEffect.js"
import type { Expiring } from "../internal/Deadlines.js"
import type { Departure } from "./Outbox.js"

/** What a connection of any caller is to its requests. */
export interface Requester {
  readonly expire: (pending: PendingRequest) => void
  readonly abandon: (pending: PendingRequest) => void
}

/** It is its own deadline and its own handle, so that a request costs one object. */
export class PendingRequest implements Expiring, Waiting {
  dueAt = 0
  previous: Expiring | undefined = undefined
  next: Expiring | undefined = undefined
  /** Set while the request itself waits for unsent bytes to leave. */
  departure: Departure | undefined = undefined

  constructor(
    private readonly requester: Requester,
    readonly id: number,
    readonly request: UntypedRequest,
    readonly millis: number,
    /** The length of its frame. */
    readonly length: number,
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
    this.requester.abandon(this)
  }

  onDeadline(): void {
    this.requester.expire(this)
  }
}
