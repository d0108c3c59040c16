/**
 * The latest exchanges that the inspector has seen, bounded in number and in bytes.
 *
 * @internal
 */
import { EventLog } from "./EventLog.js"
import type { ExchangeRecord } from "./InspectorProtocol.js"

export interface StoredExchange {
  readonly id: number
  readonly record: ExchangeRecord
  readonly replayOf: number | undefined
}

export class ExchangeStore {
  readonly #byId = new Map<number, StoredExchange & { readonly bytes: number }>()
  readonly #ids = new Map<string, number>()
  readonly #keys = new Map<number, string>()
  /** The ids of exchanges that came or changed. */
  readonly changes: EventLog<number>
  #lastId = 0
  /** No lower id is kept. The map's own first key would be slow to find, since V8 skips each dropped entry. */
  #firstId = 1
  #bytes = 0

  constructor(
    private readonly maxExchanges: number,
    private readonly maxBytes: number,
    private readonly onDropped: (exchange: StoredExchange) => void
  ) {
    this.changes = new EventLog<number>(2 * maxExchanges, Number.POSITIVE_INFINITY)
  }

  get size(): number {
    return this.#byId.size
  }

  get heldBytes(): number {
    return this.#bytes
  }

  /** Puts the record in place of the one with the same key. */
  put(
    key: string,
    record: ExchangeRecord,
    replayOf?: number
  ): { readonly stored: StoredExchange; readonly isNew: boolean } {
    const known = this.#ids.get(key)
    const id = known ?? ++this.#lastId
    const before = this.#byId.get(id)
    // The record of the end may have come before one that shows it under way.
    if (before !== undefined && before.record.durationMillis !== undefined) return { stored: before, isNew: false }
    const stored = { id, record, replayOf, bytes: bytesOf(record) }
    this.#bytes += stored.bytes - (before?.bytes ?? 0)
    this.#byId.set(id, stored)
    this.#ids.set(key, id)
    this.#keys.set(id, key)
    this.changes.push(id, 1)
    this.#trim()
    return { stored, isNew: known === undefined }
  }

  get(id: number): StoredExchange | undefined {
    return this.#byId.get(id)
  }

  /** Oldest first. */
  all(): Iterable<StoredExchange> {
    return this.#byId.values()
  }

  clear(): void {
    for (const stored of this.#byId.values()) this.#drop(stored)
    this.#firstId = this.#lastId + 1
  }

  #trim(): void {
    while (this.#byId.size > this.maxExchanges || (this.#bytes > this.maxBytes && this.#byId.size > 1)) {
      const oldest = this.#byId.get(this.#firstId++)
      if (oldest !== undefined) this.#drop(oldest)
    }
  }

  #drop(stored: StoredExchange & { readonly bytes: number }): void {
    this.#byId.delete(stored.id)
    this.#ids.delete(this.#keys.get(stored.id) ?? "")
    this.#keys.delete(stored.id)
    this.#bytes -= stored.bytes
    this.onDropped(stored)
  }
}

/** About what the record takes in memory. */
const bytesOf = (record: ExchangeRecord): number => {
  let bytes = 1024 + record.target.length * 2
  for (const { base64, text } of [record.requestBody, record.responseBody]) {
    bytes += (text?.length ?? 0) * 2 + (base64?.length ?? 0)
  }
  for (const headers of [record.requestHeaders, record.responseHeaders]) {
    for (const [name, value] of headers) bytes += 64 + name.length + value.length
  }
  return bytes
}
