/** The middle of several rounds, and how far they lay apart. */
export interface Spread {
  readonly median: number
  readonly p25: number
  readonly p75: number
}

export const spreadOf = (values: ReadonlyArray<number>): Spread => ({
  median: quantile(values, 0.5),
  p25: quantile(values, 0.25),
  p75: quantile(values, 0.75)
})

/** Each value to the base's of the same round: what slowed the machine for a moment slowed both. */
export const ratiosOf = (values: ReadonlyArray<number>, base: ReadonlyArray<number>): ReadonlyArray<number> =>
  values.map((value, round) => value / (base[round] as number))

const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = [...values].sort((one, other) => one - other)
  const at = (sorted.length - 1) * q
  const below = sorted[Math.floor(at)] as number
  const above = sorted[Math.ceil(at)] as number
  return below + (above - below) * (at - Math.floor(at))
}
