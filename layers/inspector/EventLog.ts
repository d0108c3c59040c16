/**
 * The latest of what happened, bounded in number and in bytes, for any number of readers that each go at their own pace.
 *
 * @internal
 */

/** What a reader gets at once. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Where the next page begins. */
  readonly next: number
  /** How many were dropped before this reader came to them. */
  readonly missed: number
}

export class EventLog<A> {
  #items: Array<{ readonly item: A; readonly bytes: number } | undefined> = []
  /** How many at the beginning of `#items` were dropped. */
  #head = 0
  /** The position of the first of `#items`. */
  #offset = 0
  #bytes = 0

  constructor(
    private readonly maxItems: number,
    private readonly maxBytes: number,
    private readonly onDropped: (item: A) => void = () => {}
  ) {}

  /** Where what comes next will be. */
  get end(): number {
    return this.#offset + this.#items.length
  }

  /** Where the oldest that is kept is. */
  get start(): number {
    return this.#offset + this.#head
  }

  get heldBytes(): number {
    return this.#bytes
  }

  push(item: A, bytes: number): void {
    this.#items.push({ item, bytes })
    this.#bytes += bytes
    while (this.#items.length - this.#head > this.maxItems || (this.#bytes > this.maxBytes && this.start < this.end)) {
      this.#drop()
    }
  }

  /** What follows the position: at least one where there is any, and no more than about as many bytes. */
  read(from: number, maxBytes: number): Page<A> {
    const begin = Math.max(from, this.start)
    const items: Array<A> = []
    let bytes = 0
    let next = begin
    while (next < this.end) {
      const entry = this.#items[next - this.#offset]
      if (entry === undefined || (items.length > 0 && bytes + entry.bytes > maxBytes)) break
      items.push(entry.item)
      bytes += entry.bytes
      next++
    }
    return { items, next, missed: begin - Math.min(from, begin) }
  }

  #drop(): void {
    const dropped = this.#items[this.#head]
    if (dropped === undefined) return
    this.#items[this.#head++] = undefined
    this.#bytes -= dropped.bytes
    this.onDropped(dropped.item)
    // Many at once, as the others move each time.
    if (this.#head < 1024 || this.#head * 2 < this.#items.length) return
    this.#items = this.#items.slice(this.#head)
    this.#offset += this.#head
    this.#head = 0
  }
}
