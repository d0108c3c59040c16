/**
 * A list of any length, of which only the rows in sight are in the document. By keyboard it is one listbox.
 *
 * @internal
 */
import { h } from "./dom.js"

export interface VirtualListOptions {
  readonly label: string
  readonly row: (id: number) => ReadonlyArray<Node | string>
  readonly rowClass: (id: number) => string
  readonly onSelect: (id: number) => void
  /** Enter was pressed on the selected row. */
  readonly onOpen: () => void
}

export class VirtualList {
  readonly element: HTMLElement
  readonly #spacer = h("div", { class: "spacer" })
  #ids: ReadonlyArray<number> = []
  #selected: number | undefined
  /** Whether it stays at its end when rows come. */
  #follows = true
  #scheduled = false

  constructor(private readonly options: VirtualListOptions) {
    this.element = h(
      "div",
      {
        class: "list",
        role: "listbox",
        tabindex: 0,
        "aria-label": options.label,
        keydown: (event: KeyboardEvent) => this.#onKey(event),
        scroll: () => {
          const { clientHeight, scrollHeight, scrollTop } = this.element
          this.#follows = scrollTop + clientHeight >= scrollHeight - 4
          this.render()
        },
        // Between the press and the release the row may be drawn anew, and then nothing is clicked.
        mousedown: (event: MouseEvent) => {
          const row = (event.target as Element).closest<HTMLElement>("[data-id]")
          if (row !== null && event.button === 0) this.select(Number(row.dataset.id))
        }
      },
      this.#spacer
    )
    new ResizeObserver(() => this.render()).observe(this.element)
  }

  get selected(): number | undefined {
    return this.#selected
  }

  set(ids: ReadonlyArray<number>): void {
    this.#ids = ids
    this.render()
  }

  select(id: number | undefined): void {
    this.#selected = id
    if (id !== undefined) {
      this.#reveal(this.#indexOf(id))
      this.options.onSelect(id)
    }
    this.render()
  }

  /** In the next frame, once, however often it is asked for. */
  render(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    requestAnimationFrame(() => {
      this.#scheduled = false
      this.#draw()
    })
  }

  get #rowHeight(): number {
    return Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 28
  }

  #draw(): void {
    const { clientHeight } = this.element
    if (clientHeight === 0) return
    const height = this.#rowHeight
    this.#spacer.style.height = `${this.#ids.length * height}px`
    if (this.#follows) this.element.scrollTop = this.element.scrollHeight
    const first = Math.max(0, Math.floor(this.element.scrollTop / height) - 5)
    const last = Math.min(this.#ids.length, first + Math.ceil(clientHeight / height) + 10)
    const rows: Array<HTMLElement> = []
    for (let at = first; at < last; at++) rows.push(this.#row(this.#ids[at] as number, at, height))
    this.#spacer.replaceChildren(...rows)
    const selected = this.#selected === undefined ? "" : `row-${this.#selected}`
    this.element.setAttribute("aria-activedescendant", selected)
  }

  #row(id: number, at: number, height: number): HTMLElement {
    const row = h(
      "div",
      {
        class: `row ${this.options.rowClass(id)}`,
        id: `row-${id}`,
        role: "option",
        "data-id": id,
        "aria-selected": String(id === this.#selected),
        "aria-setsize": this.#ids.length,
        "aria-posinset": at + 1
      },
      ...this.options.row(id)
    )
    row.style.top = `${at * height}px`
    return row
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#rowHeight) - 1)
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      j: 1,
      ArrowUp: -1,
      k: -1,
      PageDown: page,
      PageUp: -page,
      Home: Number.NEGATIVE_INFINITY,
      End: Number.POSITIVE_INFINITY
    }
    const step = steps[event.key]
    if (event.key === "Enter" && this.#selected !== undefined) this.options.onOpen()
    else if (step === undefined) return
    else this.#move(step)
    event.preventDefault()
  }

  #move(step: number): void {
    const last = this.#ids.length - 1
    const from = this.#selected === undefined ? -1 : this.#indexOf(this.#selected)
    // From nowhere, a step down leads to the first row, and one up to the last.
    const start = from !== -1 ? from : step > 0 ? -1 : last + 1
    const to = start + step
    const id = this.#ids[Math.max(0, Math.min(last, to))]
    if (id !== undefined) this.select(id)
  }

  #indexOf(id: number): number {
    let low = 0
    let high = this.#ids.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const at = this.#ids[middle] as number
      if (at === id) return middle
      if (at < id) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  #reveal(at: number): void {
    if (at === -1) return
    const height = this.#rowHeight
    const { clientHeight, scrollTop } = this.element
    this.#follows = this.#follows && at === this.#ids.length - 1
    if (at * height < scrollTop) this.element.scrollTop = at * height
    else if ((at + 1) * height > scrollTop + clientHeight) this.element.scrollTop = (at + 1) * height - clientHeight
  }
}
