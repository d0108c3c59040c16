/**
 * An instance of a service as one client of it sees it.
 *
 * @internal
 */
import type { IPCSocket } from "../connection/IPCSocket.js"
import type { Expiring } from "../internal/Deadlines.js"
import type * as RoutingStrategy from "../RoutingStrategy.js"

/** What a strategy sees of it is public; what the client knows besides is in `state`. */
export class Endpoint implements RoutingStrategy.Instance {
  readonly pathPrefix = ""
  /** What this client has in flight there. */
  connections = 0
  // A private field keeps it out of what a caller's strategy logs or compares.
  readonly #state: EndpointState

  constructor(
    readonly id: number,
    readonly api: string,
    readonly baseUrl: string,
    readonly registeredAt: number
  ) {
    this.#state = new EndpointState()
  }

  get state(): EndpointState {
    return this.#state
  }
}

/** The connection to an endpoint, and whether it may be used. */
class EndpointState {
  /** Who has registered it; none once it was unregistered. */
  readonly owners = new Set<string>()
  socket: IPCSocket<Endpoint> | undefined
  /** When the connection opened, in monotonic milliseconds. */
  openedAt = 0
  isConnecting = false
  /** An attempt to connect takes long: others are preferred until it is done. */
  isSlow = false
  /** It takes no further requests, or has ended. */
  isWithdrawn = false
  /** Failed connections in a row. */
  failures = 0
  /** Until then it isn't chosen, after a connection failed. */
  pause: Expiring | undefined
  /** Until then it may be registered again, though it isn't registered. */
  grace: Expiring | undefined

  get isOpen(): boolean {
    return this.socket?.state === "open"
  }

  get mayBeChosen(): boolean {
    if (this.isWithdrawn || this.isSlow || this.pause !== undefined) return false
    return this.owners.size > 0 || (this.grace !== undefined && this.isOpen)
  }
}
