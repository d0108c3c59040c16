/**
 * The metrics of the process as Prometheus reads them: text by prom-client, in the names that OpenTelemetry's rules for
 * Prometheus make of the conventions'.
 *
 * @internal
 */
import * as Metric from "effect/Metric"
import type * as MetricKey from "effect/MetricKey"
import * as MetricKeyType from "effect/MetricKeyType"
import type { MetricLabel } from "effect/MetricLabel"
import type { MetricPair } from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import type * as PromClient from "prom-client"
import { imported } from "../Lazily.js"

export const contentType = "text/plain; version=0.0.4; charset=utf-8"

/** Every Effect metric of the process, the program's own too. */
export const print = async (): Promise<string> => {
  const { Registry } = await imported<typeof PromClient>("prom-client", () => import("prom-client"))
  const registry = new Registry()
  for (const family of familiesOf(Metric.unsafeSnapshot()).values()) {
    // What the registry prints, it asks of `get` alone.
    registry.registerMetric({ ...family, get: async () => family } as unknown as PromClient.Metric)
  }
  return registry.metrics()
}

/** All series of one name. */
interface Family {
  readonly name: string
  readonly help: string
  readonly type: "counter" | "gauge" | "histogram" | "summary"
  readonly values: Array<Value>
}

interface Value {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

const familiesOf = (pairs: ReadonlyArray<MetricPair.Untyped>): ReadonlyMap<string, Family> => {
  const families = new Map<string, Family>()
  for (const { metricKey, metricState } of pairs) {
    const type = typeOf(metricKey)
    const name = nameOf(metricKey, type)
    const family = families.get(name) ?? { name, help: helpOf(metricKey), type, values: [] }
    // A name has one type; what else has it would make the whole text unreadable.
    if (family.type !== type) continue
    families.set(name, family)
    family.values.push(...valuesOf(name, labelsOf(metricKey.tags), metricState))
  }
  return families
}

const typeOf = ({ keyType }: MetricKey.MetricKey.Untyped): Family["type"] => {
  if (MetricKeyType.isHistogramKey(keyType)) return "histogram"
  if (MetricKeyType.isSummaryKey(keyType)) return "summary"
  if (MetricKeyType.isFrequencyKey(keyType)) return "counter"
  return MetricKeyType.isCounterKey(keyType) && (keyType as { readonly incremental?: boolean }).incremental === true
    ? "counter"
    : "gauge"
}

const nameOf = ({ name, tags }: MetricKey.MetricKey.Untyped, type: Family["type"]): string => {
  const unit = unitSuffix.get(tags.find(({ key }) => key === unitLabel)?.value ?? "")
  const base = sanitized(name)
  const withUnit = unit === undefined || base.endsWith(unit) ? base : `${base}${unit}`
  return type === "counter" && !withUnit.endsWith("_total") ? `${withUnit}_total` : withUnit
}

const helpOf = ({ description, name }: MetricKey.MetricKey.Untyped): string => Option.getOrElse(description, () => name)

const labelsOf = (tags: ReadonlyArray<MetricLabel>): Record<string, string> =>
  Object.fromEntries(tags.flatMap(({ key, value }) => (key === unitLabel ? [] : [[labelName(key), value]])))

const valuesOf = (
  name: string,
  labels: Readonly<Record<string, string>>,
  state: MetricState.MetricState.Untyped
): ReadonlyArray<Value> => {
  if (MetricState.isCounterState(state)) return [{ labels, value: Number(state.count) }]
  if (MetricState.isGaugeState(state)) return [{ labels, value: Number(state.value) }]
  if (MetricState.isFrequencyState(state)) {
    return Array.from(state.occurrences, ([key, value]) => ({ labels: { ...labels, key }, value }))
  }
  if (MetricState.isHistogramState(state)) {
    return [
      ...state.buckets
        .filter(([le]) => Number.isFinite(le))
        .map(([le, value]) => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value })),
      { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: state.count },
      ...totalsOf(name, labels, state)
    ]
  }
  if (MetricState.isSummaryState(state)) {
    const quantiles = state.quantiles.map(([quantile, value]) => ({
      labels: { ...labels, quantile },
      value: Option.getOrElse(value, () => Number.NaN)
    }))
    return [...quantiles, ...totalsOf(name, labels, state)]
  }
  return []
}

const totalsOf = (
  name: string,
  labels: Readonly<Record<string, string>>,
  { count, sum }: { readonly count: number; readonly sum: number }
): ReadonlyArray<Value> => [
  { metricName: `${name}_sum`, labels, value: sum },
  { metricName: `${name}_count`, labels, value: count }
]

const unitLabel = "unit"

const unitSuffix = new Map([
  ["s", "_seconds"],
  ["ms", "_milliseconds"],
  ["By", "_bytes"]
])

/** A name of a metric, which may have colons. */
const sanitized = (name: string): string => name.replace(/[^a-zA-Z0-9_:]+/g, "_").replace(/^(?=\d)/, "_")

const labelName = (name: string): string => name.replace(/[^a-zA-Z0-9_]+/g, "_").replace(/^(?=\d)/, "_")
