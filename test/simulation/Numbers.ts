/**
 * Numbers that follow from a seed: fast, and good enough to draw schedules from.
 */

/** From 0 up to, not including, 1. The generator is Mulberry32. */
export const seeded = (seed: number): (() => number) => {
  let state = Math.imul(seed, 0x9e3779b1) | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
