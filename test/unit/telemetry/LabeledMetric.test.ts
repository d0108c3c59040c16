import { assert, describe, it } from "@effect/vitest"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as LabeledMetric from "../../../src/telemetry/LabeledMetric.js"

const seriesOf = (name: string) =>
  Metric.unsafeSnapshot().flatMap(({ metricKey, metricState }) =>
    metricKey.name === name && MetricState.isCounterState(metricState)
      ? [[metricKey.tags.map(({ key, value }) => `${key}=${value}`).join(), Number(metricState.count)] as const]
      : []
  )

describe("A metric with labels", () => {
  it("has one series for each of its label sets, without labels that are undefined", () => {
    const metric = LabeledMetric.upDownCounter("test.labels", "", "{thing}")
    const of = (kind: string) => metric.of(kind, () => ({ kind, other: undefined }))
    of("a")(2)
    of("b")(1)
    of("a")(-1)
    assert.deepStrictEqual(seriesOf("test.labels"), [
      ["unit={thing},kind=a", 1],
      ["unit={thing},kind=b", 1]
    ])
  })

  it("has no more series than the limit: what is beyond counts in one of its own", () => {
    const metric = LabeledMetric.counter("test.limit", "", "{thing}")
    const beyond = 50
    for (let i = 0; i < LabeledMetric.maxSeries + beyond; i++) metric.of(`${i}`, () => ({ path: i }))(1)
    metric.of("0", () => ({ path: 0 }))(1)
    const series = seriesOf("test.limit")
    assert.strictEqual(series.length, LabeledMetric.maxSeries + 1)
    const counts = Object.fromEntries(series)
    assert.deepStrictEqual(
      [counts["unit={thing},path=0"], counts["unit={thing},otel.metric.overflow=true"]],
      [2, beyond]
    )
  })
})
