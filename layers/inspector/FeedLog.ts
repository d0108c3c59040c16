/**
 * The latest events of a recording, as JSON in pages that are ready to be sent, bounded in bytes.
 *
 * An event is text from the start: tens of thousands of records would be as many trees of objects that the collector visits for
 * as long as they are kept.
 *
 * @internal
 */
import { EventLog, type Page } from "./EventLog.js"
import type { SentEvent } from "./InspectorProtocol.js"

/** Events in a row. */
export interface EventsPage {
  /** How many of the recording came before. */
  readonly first: number
  readonly count: number
  /** Their JSON with commas between. */
  readonly json: Buffer
}

export class FeedLog {
  readonly #pages: EventLog<EventsPage>
  /** The page that is being filled. */
  #texts: Array<string> = []
  #length = 0
  /** How many events there were. */
  #count = 0

  constructor(maxBytes: number) {
    this.#pages = new EventLog(maxPages, maxBytes)
  }

  /** How many events there were. */
  get count(): number {
    return this.#count
  }

  /** Positions are of pages. */
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
    // A buffer of its own: one out of Node's pool would keep all that shares its memory.
    const json = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
    json.write(text)
    const count = this.#texts.length
    this.#pages.push({ first: this.#count - count, count, json }, json.length + pageOverhead)
    this.#texts = []
    this.#length = 0
  }
}

/** A larger page would keep the gateway's event loop for longer than a millisecond or so. In characters. */
const pageLength = 64 * 1024

/** What a page takes beside its text, in bytes. */
const pageOverhead = 300

const maxPages = 20_000
