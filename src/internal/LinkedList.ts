/**
 * Entries that come and go in any order, first in first out. A `Set` of such entries builds a new table every few of them,
 * and a table that V8's garbage collector has found old keeps all that were in the later ones from being collected cheaply;
 * a list leaves no garbage.
 *
 * @internal
 */

/** What can be in one list at a time: it has its own place there. */
export interface Linked {
  previous?: Linked | undefined
  next?: Linked | undefined
}

export class LinkedList<A extends Linked> {
  /** Both ends of a circle, so that no entry lacks a neighbour. */
  private readonly ends: Linked = {}

  constructor() {
    this.ends.previous = this.ends
    this.ends.next = this.ends
  }

  get first(): A | undefined {
    const { next } = this.ends
    return next === this.ends ? undefined : (next as A)
  }

  /** Puts it at the end, out of where it was. */
  add(entry: A): void {
    remove(entry)
    const last = this.ends.previous as Linked
    last.next = entry
    entry.previous = last
    entry.next = this.ends
    this.ends.previous = entry
  }

  /** All of them now. */
  entries(): Array<A> {
    const entries: Array<A> = []
    for (let entry = this.ends.next; entry !== this.ends; entry = entry?.next) entries.push(entry as A)
    return entries
  }
}

/** Takes it out of the list that it is in, if any. */
export const remove = (entry: Linked): void => {
  const { next, previous } = entry
  if (next === undefined || previous === undefined) return
  previous.next = next
  next.previous = previous
  entry.previous = undefined
  entry.next = undefined
}
