/**
 * Exchanges as text. Pure.
 *
 * @internal
 */
import { printable } from "../../src/internal/Printable.js"
import type { ExchangeSummary } from "../inspector/Views.js"

/** One line: time, status, duration, method, target, and what answered. */
export const line = (exchange: ExchangeSummary): string => {
  const { answerer, answeredBy, api, durationMillis = 0, failure, method, startedAt, status, target } = exchange
  const time = new Date(startedAt).toTimeString().slice(0, 8)
  const by =
    answerer === undefined
      ? "nothing"
      : [api, `${answeredBy === "upstream" ? "" : `${answeredBy} `}${answerer}`].filter(Boolean).join(" ")
  const words = [
    time,
    String(status ?? "-").padStart(3),
    duration(durationMillis).padStart(7),
    method,
    target,
    "->",
    by
  ]
  return printable([...words, ...(failure === undefined ? [] : [`(${failure})`])].join(" "))
}

const duration = (millis: number): string =>
  millis < 10 ? `${millis.toFixed(1)}ms` : millis < 10_000 ? `${Math.round(millis)}ms` : `${Math.round(millis / 1000)}s`
