/**
 * What a suite found out, and how it is printed.
 */
import { ratiosOf, type Spread, spreadOf } from "./statistics.js"

/** One contender at one workload, all rounds. */
export interface Series {
  readonly workload: string
  readonly contender: string
  readonly values: ReadonlyArray<number>
}

/** One suite's table: contenders down, workloads across, each cell a ratio to the base within the same round. */
export interface Report {
  readonly title: string
  readonly unit: string
  readonly base: string
  readonly series: ReadonlyArray<Series>
}

/** The rounds of several runs as those of one. What a run had to leave out is left out. */
export const pooled = ([first, ...others]: ReadonlyArray<Report>): Report => {
  if (first === undefined) throw new Error("nothing was measured")
  const series = first.series.flatMap((one) => {
    const isSame = ({ contender, workload }: Series) => contender === one.contender && workload === one.workload
    const all = [one, ...others.flatMap((report) => report.series.find(isSame) ?? [])]
    return all.length <= others.length ? [] : [{ ...one, values: all.flatMap(({ values }) => values) }]
  })
  return { ...first, series }
}

export const ratioOf = (
  report: Report,
  workload: string,
  contender: string,
  base = report.base
): Spread | undefined => {
  const of = (name: string) => report.series.find((one) => one.workload === workload && one.contender === name)?.values
  const values = of(contender)
  const baseValues = of(base)
  return values && baseValues && spreadOf(ratiosOf(values, baseValues))
}

/** Markdown, so that a README can keep it as it is. */
export const tableOf = (report: Report): string => {
  const workloads = [...new Set(report.series.map(({ workload }) => workload))]
  const contenders = [...new Set(report.series.map(({ contender }) => contender))]
  const rows = contenders.map((contender) => [
    contender,
    ...workloads.map((workload) => {
      const one = report.series.find((s) => s.workload === workload && s.contender === contender)
      if (one === undefined) return ""
      const { median } = spreadOf(one.values)
      if (contender === report.base) return `1 = ${grouped(median)} ${report.unit}`
      const ratio = ratioOf(report, workload, contender)
      return ratio === undefined ? `${grouped(median)} ${report.unit}` : printSpread(ratio)
    })
  ])
  return `### ${report.title}\n${markdown([`to ${report.base}`, ...workloads], rows)}`
}

export const markdown = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? "").length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

export const printSpread = ({ median, p25, p75 }: Spread): string =>
  `${median.toFixed(2)} (${p25.toFixed(2)}–${p75.toFixed(2)})`

export const grouped = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(1)
