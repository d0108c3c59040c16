/**
 * Requests and streams of one connection, in both directions. Most connections have few of the four: each part is made when
 * it is first wanted, since a server may have very many connections that are idle.
 *
 * @internal
 */
import type { Connection } from "./Connection.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import { IncomingRequests, type ServedStreams } from "./IncomingRequests.js"
import { IncomingStreams } from "./IncomingStreams.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import type { Outbox } from "./Outbox.js"
import { OutgoingRequests } from "./OutgoingRequests.js"
import { OutgoingStreams } from "./OutgoingStreams.js"
import { Replies } from "./Replies.js"
import { StreamTurns } from "./StreamTurns.js"
import type { Transport } from "./Transport.js"

export class ConnectionParts<Caller> implements ServedStreams<Caller> {
  private outgoingRequests: OutgoingRequests | undefined
  private incomingRequests: IncomingRequests<Caller> | undefined
  private outgoingStreams: OutgoingStreams | undefined
  private incomingStreams: IncomingStreams<Caller> | undefined
  private sentReplies: Replies | undefined
  private streamTurns: StreamTurns | undefined

  constructor(
    private readonly context: IPCSocketContext<Caller>,
    private readonly connection: Connection<Caller>,
    private readonly transport: Transport,
    private readonly outbox: Outbox,
    private readonly memory: ConnectionMemory
  ) {}

  /** This end's own requests and messages. */
  get outgoing(): OutgoingRequests {
    this.outgoingRequests ??= new OutgoingRequests(this.context, this.connection, this.outbox)
    return this.outgoingRequests
  }

  /** Those of the peer. */
  get incoming(): IncomingRequests<Caller> {
    const { connection, context, memory, outbox } = this
    this.incomingRequests ??= new IncomingRequests(context, connection, outbox, memory, this.replies, this)
    return this.incomingRequests
  }

  /** The streams that this end has opened. */
  get opened(): OutgoingStreams {
    const { connection, context, memory, outbox } = this
    this.outgoingStreams ??= new OutgoingStreams(context, connection, outbox, memory, this.turns, this.outgoing)
    return this.outgoingStreams
  }

  /** Those that the peer has opened. */
  get served(): IncomingStreams<Caller> {
    const { connection, context, memory, outbox } = this
    this.incomingStreams ??= new IncomingStreams(context, connection, outbox, memory, this.turns, this.replies)
    return this.incomingStreams
  }

  /** How many of this end's requests wait for their responses. */
  get pending(): number {
    return this.outgoingRequests?.pending ?? 0
  }

  /** How many handlers of the peer's requests run. */
  get running(): number {
    return this.incomingRequests?.running ?? 0
  }

  /** How many requests and messages of the peer wait. */
  get waiting(): number {
    return this.incomingRequests?.waiting ?? 0
  }

  /** How many streams are open. */
  get streams(): number {
    return (this.outgoingStreams?.open ?? 0) + (this.incomingStreams?.running ?? 0)
  }

  /** The frames that come next are of another batch. */
  beginBatch(): void {
    this.incomingRequests?.beginBatch()
  }

  /** The peer takes back a request or stream. */
  cancel(id: number): void {
    this.incomingRequests?.cancel(id)
  }

  cancelStream(id: number): boolean {
    return this.incomingStreams?.cancel(id) === true
  }

  /** What was sent has left. */
  onDrain(): void {
    this.incomingRequests?.resume()
    this.streamTurns?.onDrain()
  }

  /** Every request and stream ends: the connection has. */
  clear(): void {
    this.incomingRequests?.clear()
    this.incomingStreams?.clear()
    this.outgoingStreams?.clear()
    this.outgoingRequests?.clear()
  }

  private get replies(): Replies {
    this.sentReplies ??= new Replies(this.connection, this.outbox, this.memory)
    return this.sentReplies
  }

  private get turns(): StreamTurns {
    this.streamTurns ??= new StreamTurns(this.transport, this.outbox)
    return this.streamTurns
  }
}
