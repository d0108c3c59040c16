/**
 * The latest events of a recording, as JSON in pages that are ready to be sent, bounded in bytes.
 *
 * Events are kept as text, since the garbage collector would visit every object of tens of thousands of records at each
 * collection.
 *
 * @internal
 */
import { EventLog, type Page } from "./EventLog.js"
import type { SentEvent } from "./InspectorProtocol.js"

/** Consecutive events. */
export interface EventsPage {
  /** How many events of the recording came before them. */
  readonly first: number
  readonly count: number
  /** Their JSON, separated by commas. */
  readonly json: Buffer
}

export class FeedLog {
  readonly #pages: EventLog<EventsPage>
  /** The events of the page that isn't full yet. */
  #texts: Array<string> = []
  #length = 0
  #count = 0

  constructor(maxBytes: number) {
    this.#pages = new EventLog(maxPages, maxBytes)
  }

  /** How many events were pushed. */
  get count(): number {
    return this.#count
  }

  /** Positions count pages, not events. */
  get start(): number {
    return this.#pages.start
  }

  get end(): number {
    return this.#pages.end + (this.#texts.length > 0 ? 1 : 0)
  }

  get heldBytes(): number {
    return this.#pages.heldBytes + this.#length
  }

  push(event: SentEvent): void {
    const text = JSON.stringify(event)
    this.#texts.push(text)
    this.#length += text.length
    this.#count++
    if (this.#length >= pageLength) this.#endPage()
  }

  /** As `EventLog.read`. */
  read(from: number, maxBytes: number): Page<EventsPage> {
    if (this.#texts.length > 0) this.#endPage()
    return this.#pages.read(from, maxBytes)
  }

  #endPage(): void {
    const text = this.#texts.join(",")
    // Not from Node's pool: a slice would keep the pool's whole buffer in memory.
    const json = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
    json.write(text)
    const count = this.#texts.length
    this.#pages.push({ first: this.#count - count, count, json }, json.length + pageOverhead)
    this.#texts = []
    this.#length = 0
  }
}

/** A larger page would block the gateway's event loop for more than about a millisecond. In characters. */
const pageLength = 64 * 1024

/** About what a page takes in addition to its text, in bytes. */
const pageOverhead = 300

const maxPages = 20_000
