/**
 * The exchanges, live: filtered, searched, looked at, replayed, exported.
 *
 * @internal
 */

import type { EventsView } from "../Views.js"
import * as api from "./api.js"
import { Detail } from "./detail.js"
import { button, h, say } from "./dom.js"
import { Exchanges } from "./exchanges.js"
import * as format from "./format.js"
import { VirtualList } from "./virtualList.js"

export class TrafficView {
  readonly element: HTMLElement
  readonly #exchanges = new Exchanges()
  readonly #list: VirtualList
  readonly #detail: Detail
  readonly #text = h("input", {
    type: "search",
    placeholder: "Filter; Enter also searches headers and bodies",
    "aria-label": "Filter",
    input: () => this.#onText(),
    keydown: (event: KeyboardEvent) => {
      if (event.key === "Enter") void this.#search()
      if (event.key === "ArrowDown") this.#list.element.focus()
    }
  })
  readonly #outcome = select("Outcome", () => this.#apply())
  readonly #method = select("Method", () => this.#apply())
  readonly #api = select("Service", () => this.#apply())
  readonly #count = h("span", { class: "count", role: "status" })
  readonly #pause = button("Pause", () => this.#togglePause(), { title: "Pause (p)" })
  readonly #none = h("p", { class: "empty" })
  #found: ReadonlySet<number> | undefined
  #isPaused = false
  #missed: Array<EventsView> = []

  constructor() {
    this.#detail = new Detail({
      onClose: () => {
        this.element.classList.remove("open")
        this.#list.select(undefined)
        this.#list.element.focus()
      },
      onShow: (id) => this.#list.select(id),
      onFilter: (text) => this.filter(text)
    })
    this.#list = new VirtualList({
      label: "Exchanges",
      row: (id) => this.#row(id),
      rowClass: (id) => `s${format.outcome(this.#exchanges.get(id) ?? {})}`,
      onSelect: (id) => {
        this.element.classList.add("open")
        void this.#detail.show(id)
      },
      onOpen: () => this.#detail.element.focus()
    })
    fill(this.#outcome, "All answers", [
      ["2", "2xx"],
      ["3", "3xx"],
      ["4", "4xx"],
      ["5", "5xx"],
      ["failed", "Failed"],
      ["open", "Under way"],
      ["unmatched", "Unmatched"]
    ])
    fill(this.#method, "All methods", [])
    fill(this.#api, "All services", [])
    this.element = h(
      "section",
      { class: "traffic", "aria-label": "Traffic" },
      h(
        "div",
        { class: "toolbar", role: "search" },
        this.#text,
        this.#outcome,
        this.#method,
        this.#api,
        this.#pause,
        button("Clear", () => void api.send("DELETE", "exchanges")),
        button("Export HAR", () => void this.#export()),
        this.#count
      ),
      h(
        "div",
        { class: "columns" },
        h(
          "div",
          { class: "listing" },
          h(
            "div",
            { class: "head", "aria-hidden": true },
            ...["Time", "Status", "Method", "Path", "Answered by", "Took", "Size"].map((name) => h("span", {}, name))
          ),
          this.#list.element,
          this.#none
        ),
        this.#detail.element
      )
    )
    this.#refresh()
  }

  onEvents(events: EventsView): void {
    if (this.#isPaused && events.reset !== true) {
      this.#missed.push(events)
      if (this.#missed.length > 1000) this.#missed.shift()
      this.#pause.textContent = `Resume (${this.#missed.reduce((count, { exchanges }) => count + exchanges.length, 0)})`
      return
    }
    if (events.exchanges.length === 0 && events.reset !== true) return
    this.#exchanges.add(events.exchanges, events.reset === true)
    const { id } = this.#detail
    if (id !== undefined && events.exchanges.some((exchange) => exchange.id === id)) void this.#detail.show(id)
    this.#refresh()
  }

  filter(text: string): void {
    this.#text.value = text
    this.#onText()
  }

  /** Whether the key did something. */
  onKey(key: string): boolean {
    if (key === "/") this.#text.focus()
    else if (key === "p") this.#togglePause()
    else if (key === "r" && this.#detail.id !== undefined) void this.#detail.replay()
    else if (key === "Escape" && this.#detail.id !== undefined) this.#detail.close()
    else return false
    return true
  }

  onShown(): void {
    this.#list.render()
  }

  #row(id: number): ReadonlyArray<Node> {
    const exchange = this.#exchanges.get(id)
    if (exchange === undefined) return []
    const {
      answeredBy,
      answerer = "",
      api: service,
      durationMillis,
      method,
      replayOf,
      size,
      startedAt,
      status,
      target
    } = exchange
    const kind = format.outcome(exchange)
    const by = service ?? (answeredBy === undefined ? "" : answeredBy === "upstream" ? answerer : answeredBy)
    return [
      h("span", { class: "time" }, format.time(startedAt)),
      h("span", { class: `badge s${kind}` }, kind === "open" ? "…" : kind === "failed" ? "fail" : String(status)),
      h("span", { class: "method" }, method),
      h("span", { class: "target", title: target }, replayOf !== undefined && h("em", {}, "replay"), target),
      h("span", { class: "by", title: answerer }, by),
      h("span", { class: "took" }, format.duration(durationMillis)),
      h("span", { class: "size" }, format.size(size))
    ]
  }

  #onText(): void {
    this.#found = undefined
    this.#apply()
  }

  #apply(): void {
    this.#exchanges.apply({
      text: this.#text.value.trim(),
      outcome: this.#outcome.value,
      method: this.#method.value,
      api: this.#api.value,
      found: this.#found
    })
    this.#refresh()
  }

  async #search(): Promise<void> {
    const text = this.#text.value.trim()
    if (text === "") return
    const found = await api.get<ReadonlyArray<number>>(`search?q=${encodeURIComponent(text)}`)
    if (this.#text.value.trim() !== text) return
    this.#found = new Set(found)
    this.#apply()
  }

  #refresh(): void {
    const { shown, size } = this.#exchanges
    this.#list.set(shown)
    this.#count.textContent = shown.length === size ? `${size}` : `${shown.length} of ${size}`
    this.#none.hidden = shown.length > 0
    this.#none.textContent =
      size > 0 ? "No exchange is like that." : "No request yet. Send one to the gateway, and it shows up here."
    fill(this.#method, "All methods", pairs(this.#exchanges.methods))
    fill(this.#api, "All services", pairs(this.#exchanges.apis))
  }

  #togglePause(): void {
    this.#isPaused = !this.#isPaused
    this.#pause.textContent = this.#isPaused ? "Resume" : "Pause"
    this.#pause.setAttribute("aria-pressed", String(this.#isPaused))
    if (this.#isPaused) return
    const missed = this.#missed
    this.#missed = []
    for (const events of missed) this.onEvents(events)
  }

  async #export(): Promise<void> {
    const { shown, size } = this.#exchanges
    const ids = shown.length === size ? "" : `?ids=${shown.slice(-maxIds).join(",")}`
    try {
      const url = URL.createObjectURL(await api.download(`har${ids}`))
      h("a", { href: url, download: "traffic.har" }).click()
      setTimeout(() => URL.revokeObjectURL(url), 10_000)
    } catch (error) {
      say(format.messageOf(error))
    }
  }
}

/** As many as the URL has room for. */
const maxIds = 1500

const select = (label: string, onChange: () => void): HTMLSelectElement =>
  h("select", { "aria-label": label, change: onChange })

const pairs = (names: ReadonlySet<string>): ReadonlyArray<readonly [string, string]> =>
  [...names].sort().map((name) => [name, name])

/** Adds the options that aren't there yet. */
const fill = (
  element: HTMLSelectElement,
  all: string,
  options: ReadonlyArray<readonly [value: string, label: string]>
): void => {
  if (element.options.length === options.length + 1) return
  const { value } = element
  element.replaceChildren(
    h("option", { value: "" }, all),
    ...options.map(([value, label]) => h("option", { value }, label))
  )
  element.value = value
}
