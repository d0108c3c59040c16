/**
 * What the measurements of the processes that stay say: whether they keep memory or descriptors, and whether their requests
 * ended as they should.
 */
import { type Kind, openOf } from "./Counts.js"
import type { Sample } from "./Sampled.js"
import { theilSen } from "./Slope.js"

/** The measurements of one process, each with the seconds since the load began. */
export interface Series {
  readonly name: string
  readonly samples: Array<Sample & { readonly second: number }>
}

export interface Judgement {
  readonly lines: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
  /** Whether more measurements may say whether a bound holds. */
  readonly isUncertain: boolean
}

/**
 * It is measured once nearly all has been compiled, and pools have grown: after so many seconds, and so many requests of each
 * process where the machine isn't too slow for that.
 */
export const warmUp = { seconds: 30, requests: 3000, mostSeconds: 90 }

/** Fewer measurements say nothing. */
const leastSamples = 8

/** The least share that has to succeed of what isn't aborted on purpose: the rest met what was killed. */
const leastSuccess = 0.8

const kib = 1024

interface Measure {
  readonly name: string
  /** What it grows by, and with. */
  readonly of: (sample: Measured) => number
  readonly by: (sample: Measured) => number
  /** How much it may grow by each. */
  readonly bound: number
}

type Measured = Series["samples"][number]

const held = ({ held }: Measured) => held / kib
const second = ({ second }: Measured) => second

/**
 * Where nothing leaks, a minute's measurements on a machine that is busy with much else put the upper end of the interval at
 * up to 12 KiB a second (V8 still learns about the code) and 0.2 descriptors: the bounds are twice that. A leak of 1 KiB a
 * request is four times the other bound, however slow the machine is.
 */
const measures: ReadonlyArray<Measure> = [
  { name: "KiB a second", of: held, by: second, bound: 24 },
  { name: "KiB a request", of: held, by: ({ requests }) => requests, bound: 0.25 },
  { name: "descriptors a second", of: ({ descriptors }) => descriptors, by: second, bound: 0.5 }
]

export const judge = (series: ReadonlyArray<Series>): Judgement => {
  const problems: Array<string> = []
  let isUncertain = false
  const grown: Array<ReadonlyArray<string>> = [
    ["process", "measured", "keeps more", "", "95 % confidence", "bound", "first", "last"]
  ]
  const ended: Array<ReadonlyArray<string>> = [["requests", "begun", "succeeded", "aborted", "failed", "open"]]
  for (const { name, samples } of series) {
    const [first, last] = [samples[0], samples.at(-1)]
    if (first === undefined || last === undefined || samples.length < leastSamples) {
      isUncertain = true
      problems.push(`${name} was measured ${samples.length} times; ${leastSamples} are needed`)
      continue
    }
    for (const { bound, by, name: what, of } of measures) {
      const { high, low, slope } = theilSen(samples.map((sample) => ({ x: by(sample), y: of(sample) })))
      const interval = `${low.toFixed(2)} to ${high.toFixed(2)}`
      const ends = [first, last].map((sample) => of(sample).toFixed(0))
      grown.push([name, `${samples.length} times`, what, slope.toFixed(2), interval, String(bound), ...ends])
      isUncertain ||= low <= bound && high > bound
      // Of a few measurements on a busy machine the interval may reach over any bound; then it reaches below zero, too.
      if (slope > bound && low > 0) {
        problems.push(`${name} keeps ${slope.toFixed(2)} ${what} more (95 %: ${interval}); the bound is ${bound}`)
      }
    }
    const rate = (last.requests - first.requests) / (last.second - first.second)
    grown.push([name, "", "requests a second", rate.toFixed(0)])
    for (const [kind, counts] of Object.entries(last.kinds)) {
      const { aborted, begun, succeeded } = counts
      ended.push([kind, ...[begun, succeeded, aborted].map(String), failuresOf(counts), String(openOf(counts))])
      problems.push(...problemsOf(kind, counts))
    }
    problems.push(...last.defects.map((defect) => `${name}: ${defect}`))
  }
  return { lines: [...table(grown), "", ...table(ended)], problems, isUncertain }
}

const problemsOf = (name: string, kind: Kind): ReadonlyArray<string> => {
  if (openOf(kind) > 0) return [`${openOf(kind)} of ${name} never ended`]
  return kind.aborted === 0 && kind.succeeded < kind.begun * leastSuccess
    ? [`only ${kind.succeeded} of ${kind.begun} of ${name} succeeded`]
    : []
}

const failuresOf = ({ failed }: Kind): string =>
  Object.entries(failed)
    .map(([tag, count]) => `${count} ${tag}`)
    .join(", ")

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  )
}
