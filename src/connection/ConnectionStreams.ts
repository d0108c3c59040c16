/**
 * The streams of one connection, in both directions. Most connections have none: each side is made when it is first wanted.
 *
 * @internal
 */
import type { Connection } from "./Connection.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import { IncomingStreams } from "./IncomingStreams.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import type { Outbox } from "./Outbox.js"
import type { OutgoingRequests } from "./OutgoingRequests.js"
import { OutgoingStreams } from "./OutgoingStreams.js"
import type { Replies } from "./Replies.js"
import { StreamTurns } from "./StreamTurns.js"
import type { Transport } from "./Transport.js"

export class ConnectionStreams<Caller> {
  private turns: StreamTurns | undefined
  private outgoing: OutgoingStreams | undefined
  private incoming: IncomingStreams<Caller> | undefined

  constructor(
    private readonly context: IPCSocketContext<Caller>,
    private readonly connection: Connection<Caller>,
    private readonly transport: Transport,
    private readonly outbox: Outbox,
    private readonly memory: ConnectionMemory,
    private readonly requests: OutgoingRequests,
    private readonly replies: Replies
  ) {}

  /** Those that this end has opened. */
  get opened(): OutgoingStreams {
    const { connection, context, memory, outbox, requests } = this
    this.outgoing ??= new OutgoingStreams(context, connection, outbox, memory, this.turnsOf(), requests)
    return this.outgoing
  }

  /** Those that the peer has opened. */
  get served(): IncomingStreams<Caller> {
    const { connection, context, memory, outbox, replies } = this
    this.incoming ??= new IncomingStreams(context, connection, outbox, memory, this.turnsOf(), replies)
    return this.incoming
  }

  /** How many are open. */
  get open(): number {
    return (this.outgoing?.open ?? 0) + (this.incoming?.running ?? 0)
  }

  /** Whether the peer had opened such a stream. */
  cancel(id: number): boolean {
    return this.incoming?.cancel(id) === true
  }

  /** What was sent has left. */
  onDrain(): void {
    this.turns?.onDrain()
  }

  /** Every stream ends: the connection has. */
  clear(): void {
    this.incoming?.clear()
    this.outgoing?.clear()
  }

  private turnsOf(): StreamTurns {
    this.turns ??= new StreamTurns(this.transport, this.outbox)
    return this.turns
  }
}
