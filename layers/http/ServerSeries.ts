/**
 * The metrics of requests to the gateway, found without making labels for each request.
 *
 * @internal
 */
import type { Series } from "../../src/telemetry/LabeledMetric.js"
import { maxSeries } from "../../src/telemetry/LabeledMetric.js"
import { httpActive, httpServerDurations } from "../../src/telemetry/Metrics.js"
import * as HttpAttributes from "./HttpAttributes.js"

/** Of one method and scheme. */
export class ServerSeries {
  /** How many are in progress. */
  readonly active: Series
  readonly #method: string
  readonly #scheme: Scheme
  readonly #durations = new Map<string, Series>()

  constructor(method: string, scheme: Scheme) {
    this.#method = method
    this.#scheme = scheme
    this.active = httpActive.of(`${method} ${scheme}`, () => ({ "http.request.method": method, "url.scheme": scheme }))
  }

  /** A request has ended; without a status where the client has disconnected. */
  record(route: string | undefined, status: number | undefined, seconds: number): void {
    const key = route === undefined ? String(status) : `${status} ${route}`
    let series = this.#durations.get(key)
    if (series === undefined) {
      series = httpServerDurations.of(`${this.#method} ${this.#scheme} ${key}`, () => ({
        "http.request.method": this.#method,
        "url.scheme": this.#scheme,
        "http.route": route,
        "http.response.status_code": status,
        "error.type": status === undefined ? "disconnected" : status >= 500 ? String(status) : undefined
      }))
      if (this.#durations.size < maxSeries) this.#durations.set(key, series)
    }
    series(seconds)
  }
}

export type Scheme = "http" | "https"

/** Of the method that a request has. */
export const of = (method: string, scheme: Scheme): ServerSeries => {
  const name = HttpAttributes.knownMethod(method) ?? "_OTHER"
  const known = series[scheme].get(name)
  if (known !== undefined) return known
  const made = new ServerSeries(name, scheme)
  series[scheme].set(name, made)
  return made
}

const series: Record<Scheme, Map<string, ServerSeries>> = { http: new Map(), https: new Map() }
