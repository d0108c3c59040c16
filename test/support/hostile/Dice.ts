import { PCGRandom } from "effect/Utils"

/** Random choices that a seed and a number repeat. */
export class Dice {
  readonly #random: PCGRandom

  constructor(seed: number, number: number) {
    this.#random = new PCGRandom(seed, number)
  }

  /** From 0 to below the limit. */
  below(limit: number): number {
    return this.#random.integer(limit)
  }

  chance(probability: number): boolean {
    return this.#random.number() < probability
  }

  pick<A>(all: ReadonlyArray<A>): A {
    return all[this.below(all.length)] as A
  }

  /** From `least` to `most` of them. */
  some<A>(least: number, most: number, make: (i: number) => A): ReadonlyArray<A> {
    return Array.from({ length: least + this.below(most - least + 1) }, (_, i) => make(i))
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }

  /** The bytes with a few of them changed, lost, repeated or put in. */
  spoil(bytes: Buffer): Buffer {
    let spoilt = bytes
    for (let left = 1 + this.below(4); left > 0; left--) {
      const at = this.below(spoilt.length + 1)
      const to = at + this.below(20)
      const [before, after] = [spoilt.subarray(0, at), spoilt.subarray(at)]
      switch (this.below(4)) {
        case 0:
          spoilt = Buffer.concat([before, this.bytes(1 + this.below(4)), spoilt.subarray(Math.min(to, spoilt.length))])
          break
        case 1:
          spoilt = Buffer.concat([before, spoilt.subarray(to)])
          break
        case 2:
          spoilt = Buffer.concat([before, spoilt.subarray(at, to), after])
          break
        default:
          spoilt = Buffer.concat([before, this.bytes(this.below(8)), after])
      }
    }
    return spoilt
  }

  /** The bytes in a few pieces. */
  split(bytes: Buffer): ReadonlyArray<Buffer> {
    const cuts = this.some(0, 3, () => this.below(bytes.length + 1)).toSorted((one, other) => one - other)
    return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i] ?? bytes.length))
  }
}
