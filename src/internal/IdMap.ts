/**
 * Entries found by numbers that mostly ascend and mostly don't stay long, as the ids of requests do. A `Map` of such
 * entries builds a new table every few hundred of them, and a table that V8's garbage collector has found old keeps all
 * that were in it from being collected cheaply; here they come and go without garbage.
 *
 * @internal
 */

export class IdMap<A extends { readonly id: number }> {
  /** How many there are. */
  size = 0
  /** Each at the last bits of its id; a power of two of them. */
  private slots: Array<A | undefined> = noSlots
  /** Those that have outlived so many others that their slot was wanted. */
  private displaced: Map<number, A> | undefined = undefined

  get(id: number): A | undefined {
    const entry = this.slots[id & (this.slots.length - 1)]
    return entry !== undefined && entry.id === id ? entry : this.displaced?.get(id)
  }

  /** Adds one whose id isn't there yet. */
  add(entry: A): void {
    this.size++
    if (this.size * 2 > this.slots.length) this.resize(Math.max(this.slots.length * 2, leastSlots))
    this.place(entry)
  }

  /** Whether it was there. */
  delete(id: number): boolean {
    const index = id & (this.slots.length - 1)
    if (this.slots[index]?.id === id) this.slots[index] = undefined
    else if (this.displaced === undefined || !this.displaced.delete(id)) return false
    this.size--
    if (this.size === 0 && this.slots.length > mostIdleSlots) this.slots = noSlots
    return true
  }

  clear(): void {
    this.size = 0
    this.slots = noSlots
    this.displaced = undefined
  }

  /** All of them now, by ascending id. */
  entries(): Array<A> {
    const placed = this.slots.filter((entry) => entry !== undefined)
    return [...placed, ...(this.displaced?.values() ?? [])].sort((one, other) => one.id - other.id)
  }

  private place(entry: A): void {
    const index = entry.id & (this.slots.length - 1)
    const present = this.slots[index]
    if (present !== undefined) {
      this.displaced ??= new Map()
      this.displaced.set(present.id, present)
    }
    this.slots[index] = entry
  }

  private resize(length: number): void {
    const entries = this.entries()
    this.slots = new Array<A | undefined>(length).fill(undefined)
    this.displaced?.clear()
    for (const entry of entries) this.place(entry)
  }
}

/** Never written to. */
const noSlots: Array<never> = []

const leastSlots = 8

/** What is kept for the next burst once all are gone. */
const mostIdleSlots = 4096
