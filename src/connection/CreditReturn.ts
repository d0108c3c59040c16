/**
 * Credit to be granted to the peer again as its requests end.
 *
 * @internal
 */
import type { Grants } from "./Grants.js"
import type { Credit } from "./Hello.js"

/** What the peer may send again, since its earlier requests have ended. Told in few frames: half of the credit at a time. */
export class CreditReturn {
  private count = 0
  private bytes = 0

  constructor(
    private readonly granted: Credit,
    private readonly grants: Grants
  ) {}

  /** So many have ended, with so many bytes. */
  add(count: number, bytes: number): void {
    this.count += count
    this.bytes += bytes
    if (this.count * 2 < this.granted.count && this.bytes * 2 < this.granted.bytes) return
    const credit = { count: this.count, bytes: this.bytes }
    this.count = 0
    this.bytes = 0
    this.grants.add(credit)
  }
}
