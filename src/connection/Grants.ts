/**
 * Credit on its way to the peer. Past the high-water mark of unsent bytes it waits, all in one frame: a peer that sends on
 * and reads nothing would have this end keep a frame for each grant.
 *
 * @internal
 */
import type { Connection } from "./Connection.js"
import type { Departure } from "./Departure.js"
import type { Credit } from "./Hello.js"
import * as Hello from "./Hello.js"
import type { Outbox } from "./Outbox.js"
import type { Packet } from "./Transport.js"

export class Grants implements Departure {
  /** What is owed is printed when it leaves. */
  packet: Packet | undefined = undefined
  private count = 0
  private bytes = 0
  private waits = false
  private closed = false

  constructor(
    /** The frame up to its data. */
    private readonly head: string,
    private readonly name: "requests" | "items",
    private readonly connection: Connection,
    private readonly outbox: Outbox
  ) {}

  add({ bytes, count }: Credit): void {
    // It would wait for ever.
    if (this.connection.state !== "open") return
    this.count += count
    this.bytes += bytes
    if (this.waits) return
    if (this.outbox.isCongested()) {
      this.waits = true
      this.outbox.add(this)
    } else this.send()
  }

  /** Nothing more is granted. */
  close(): void {
    this.closed = true
  }

  onDeparted(): void {
    this.waits = false
    this.send()
  }

  private send(): void {
    const credit = { count: this.count, bytes: this.bytes }
    this.count = 0
    this.bytes = 0
    if (!this.closed && this.connection.state === "open")
      this.outbox.send(this.head + Hello.printCredit(credit, this.name))
  }
}
