/**
 * Effect metrics whose label sets are bounded: whatever peers send, a metric has no more series than the limit, since
 * none is ever forgotten. What is beyond counts in one series of its own, as OpenTelemetry's SDKs have it.
 *
 * @internal
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"

export type Labels = Readonly<Record<string, string | number | undefined>>

/** One label set of a metric. */
export type Series = (value: number) => void

export class LabeledMetric {
  private readonly series = new Map<string, Series>()
  private overflow: Series | undefined

  constructor(
    private readonly metric: Updatable,
    private readonly unit: string
  ) {}

  /** Found by its key, which is made of the same values as its labels. */
  of(key: string, labels: () => Labels): Series {
    const known = this.series.get(key)
    if (known !== undefined) return known
    if (this.series.size >= maxSeries) {
      this.overflow ??= this.make({ "otel.metric.overflow": "true" })
      return this.overflow
    }
    const series = this.make(labels())
    this.series.set(key, series)
    return series
  }

  private make(labels: Labels): Series {
    const { metric } = this
    // The same list each time: Effect finds the series by it.
    const tags = Object.entries({ unit: this.unit, ...labels }).flatMap(([name, value]) =>
      value === undefined ? [] : [MetricLabel.make(name, String(value))]
    )
    return (value) => metric.unsafeUpdate(value, tags)
  }
}

interface Updatable {
  readonly unsafeUpdate: (value: number, tags: ReadonlyArray<MetricLabel.MetricLabel>) => void
}

/** Durations in seconds, in the buckets that the conventions advise. */
export const durations = (name: string, description: string): LabeledMetric =>
  new LabeledMetric(Metric.histogram(name, boundaries, description), "s")

/** How many there are now: counts up and down. */
export const upDownCounter = (name: string, description: string, unit: string): LabeledMetric =>
  new LabeledMetric(Metric.counter(name, { description }), unit)

/** How many there have been. */
export const counter = (name: string, description: string, unit: string): LabeledMetric =>
  new LabeledMetric(Metric.counter(name, { description, incremental: true }), unit)

/** The limit that OpenTelemetry's SDKs have. */
export const maxSeries = 2000

const boundaries = MetricBoundaries.fromIterable([
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
])
