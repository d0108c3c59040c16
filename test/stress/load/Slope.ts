/**
 * The slope of a series, which a few wild values don't change: the median of the slopes between any two points (Theil and
 * Sen), with the confidence interval that Sen (1968) derives from the variance of Kendall's S.
 */
export interface Point {
  readonly x: number
  readonly y: number
}

export interface Slope {
  readonly slope: number
  /** The interval in which the true slope lies with 95 % confidence, if the points are independent. */
  readonly low: number
  readonly high: number
}

/** Of three points or more, no two with the same x. */
export const theilSen = (points: ReadonlyArray<Point>): Slope => {
  const slopes: Array<number> = []
  for (const [i, from] of points.entries()) {
    for (const to of points.slice(i + 1)) slopes.push((to.y - from.y) / (to.x - from.x))
  }
  slopes.sort((one, other) => one - other)
  const n = points.length
  const reach = confidence95 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)
  const at = (rank: number) => slopes[Math.max(0, Math.min(slopes.length - 1, rank))] as number
  return {
    slope: median(slopes),
    low: at(Math.floor((slopes.length - reach) / 2)),
    high: at(Math.ceil((slopes.length + reach) / 2))
  }
}

const confidence95 = 1.96

const median = (sorted: ReadonlyArray<number>): number => {
  const middle = sorted.length / 2
  const below = sorted[Math.ceil(middle) - 1] as number
  const above = sorted[Math.floor(middle)] as number
  return (below + above) / 2
}
