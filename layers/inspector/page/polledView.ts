/**
 * A view that is read again every second while it is shown.
 *
 * @internal
 */

import * as api from "./api.js"
import { empty, h, redraw } from "./dom.js"
import * as format from "./format.js"

export class PolledView<A> {
  readonly element: HTMLElement
  #isShown = false
  #text = ""

  constructor(
    label: string,
    private readonly path: string,
    private readonly draw: (value: A, refresh: () => void) => ReadonlyArray<Node>
  ) {
    this.element = h("section", { class: "polled", "aria-label": label })
  }

  onShown(): void {
    if (this.#isShown) return
    this.#isShown = true
    void this.#poll()
  }

  onHidden(): void {
    this.#isShown = false
  }

  readonly #refresh = async (): Promise<void> => {
    try {
      const value = await api.get<A>(this.path)
      const text = JSON.stringify(value)
      // What is the same stays, with what is selected in it.
      if (text === this.#text) return
      this.#text = text
      redraw(
        this.element,
        this.draw(value, () => void this.#refresh())
      )
    } catch (error) {
      this.#text = ""
      redraw(this.element, [empty(format.messageOf(error))])
    }
  }

  async #poll(): Promise<void> {
    while (this.#isShown) {
      await this.#refresh()
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
  }
}
