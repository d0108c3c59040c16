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
