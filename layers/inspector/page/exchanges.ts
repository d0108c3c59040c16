/**
 * The exchanges that the page knows, and those of them that a filter shows.
 *
 * @internal
 */
import type { ExchangeSummary } from "../Views.js"
import { outcome } from "./format.js"

export interface Filter {
  readonly text: string
  readonly outcome: string
  readonly method: string
  readonly api: string
  /** The ids that a search in headers and bodies has found; none where there was no search. */
  readonly found: ReadonlySet<number> | undefined
}

const noFilter: Filter = { text: "", outcome: "", method: "", api: "", found: undefined }

/** The most that are kept. The inspector keeps as many. */
const maxExchanges = 20_000

export class Exchanges {
  readonly apis = new Set<string>()
  readonly methods = new Set<string>()
  filter: Filter = noFilter
  /** Those that the filter shows, oldest first. */
  shown: ReadonlyArray<number> = []
  readonly #byId = new Map<number, ExchangeSummary>()

  get size(): number {
    return this.#byId.size
  }

  get(id: number | undefined): ExchangeSummary | undefined {
    return id === undefined ? undefined : this.#byId.get(id)
  }

  add(exchanges: ReadonlyArray<ExchangeSummary>, reset: boolean): void {
    if (reset) this.#byId.clear()
    const added: Array<number> = []
    let changed = reset
    for (const exchange of exchanges) {
      const before = this.#byId.get(exchange.id)
      this.#byId.set(exchange.id, exchange)
      if (exchange.api !== undefined) this.apis.add(exchange.api)
      this.methods.add(exchange.method)
      const isShown = this.#shows(exchange)
      if (before === undefined && isShown) added.push(exchange.id)
      else if (before !== undefined && this.#shows(before) !== isShown) changed = true
    }
    if (this.#byId.size > maxExchanges) {
      changed = true
      for (const id of this.#byId.keys()) {
        if (this.#byId.size <= maxExchanges - 1000) break
        this.#byId.delete(id)
      }
    }
    if (changed) this.apply(this.filter)
    else if (added.length > 0) this.shown = [...this.shown, ...added]
  }

  apply(filter: Filter): void {
    this.filter = filter
    const shown: Array<number> = []
    for (const exchange of this.#byId.values()) if (this.#shows(exchange)) shown.push(exchange.id)
    this.shown = shown
  }

  #shows(exchange: ExchangeSummary): boolean {
    const { api, found, method, outcome: wanted, text } = this.filter
    if (api !== "" && exchange.api !== api) return false
    if (method !== "" && exchange.method !== method) return false
    if (wanted !== "" && !matches(exchange, wanted)) return false
    if (text === "" || found?.has(exchange.id) === true) return true
    const { answerer = "", failure = "", method: of, status = "", target, traceId = "" } = exchange
    const all = `${of} ${target} ${status} ${exchange.api ?? ""} ${answerer} ${failure} ${traceId}`
    return all.toLowerCase().includes(text.toLowerCase())
  }
}

const matches = (exchange: ExchangeSummary, wanted: string): boolean =>
  wanted === "unmatched" ? exchange.answeredBy === undefined && exchange.status === 404 : outcome(exchange) === wanted
