/**
 * Elements made of text alone: nothing that a service sends is ever taken as HTML.
 *
 * @internal
 */

type Child = Node | string | undefined | false

interface Attributes {
  readonly [name: string]: string | number | boolean | undefined | ((event: never) => void)
}

/** An element; attributes that are `undefined` or false are left out, functions are listeners. */
export const h = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[Name] => {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (typeof value === "function") element.addEventListener(key, value as EventListener)
    else element.setAttribute(key, value === true ? "" : String(value))
  }
  element.append(...children.filter((child) => child !== undefined && child !== false))
  return element
}

export const button = (label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement =>
  h("button", { type: "button", ...attributes, click: onClick }, label)

/** Draws the element's children anew. What had the focus keeps it, by its name, or else by its place. */
export const redraw = (element: HTMLElement, children: ReadonlyArray<Node | string>): void => {
  const { childNodes } = element
  if (childNodes.length === children.length && children.every((child, at) => child === childNodes[at])) return
  const before = focusable(element)
  const at = before.indexOf(document.activeElement as HTMLElement)
  const name = nameOf(before[at])
  element.replaceChildren(...children)
  if (at === -1 || element.contains(document.activeElement)) return
  const after = focusable(element)
  const next = after.find((one) => nameOf(one) === name) ?? after[Math.min(at, after.length - 1)]
  next?.focus({ preventScroll: true })
}

const focusable = (element: HTMLElement): ReadonlyArray<HTMLElement> =>
  Array.from(element.querySelectorAll<HTMLElement>("button, input, summary, [tabindex]"))

const nameOf = (element: HTMLElement | undefined): string | null | undefined =>
  element?.getAttribute("aria-label") ?? element?.textContent

/** A table whose cells are labelled by their columns, so that it can be a list where there is no room. */
export const table = (
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<Child>>,
  caption?: string
): HTMLElement =>
  h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      caption !== undefined && h("caption", {}, caption),
      h("thead", {}, h("tr", {}, ...columns.map((column) => h("th", { scope: "col" }, column)))),
      h(
        "tbody",
        {},
        ...rows.map((row) => h("tr", {}, ...row.map((cell, at) => h("td", { "data-label": columns[at] ?? "" }, cell))))
      )
    )
  )

export const empty = (text: string): HTMLElement => h("p", { class: "empty" }, text)

let toastTimer = 0

/** Says something for a moment. */
export const say = (text: string): void => {
  document.querySelector(".toast")?.remove()
  document.body.append(h("div", { class: "toast", role: "status" }, text))
  window.clearTimeout(toastTimer)
  toastTimer = window.setTimeout(() => document.querySelector(".toast")?.remove(), 4000)
}
