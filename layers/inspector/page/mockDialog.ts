/**
 * Asks for a mock, and installs it.
 *
 * @internal
 */

import type { MocksView } from "../Views.js"
import * as api from "./api.js"
import { button, h, say } from "./dom.js"
import * as format from "./format.js"

export interface MockDraft {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: string
}

export const emptyMock: MockDraft = {
  method: "GET",
  path: "/",
  status: 200,
  headers: [["content-type", "application/json"]],
  body: "{}"
}

export const openMockDialog = (draft: MockDraft, onInstalled: () => void = () => {}): void => {
  const field = (label: string, input: HTMLElement, className = "") => h("label", { class: className }, label, input)
  const method = h("input", { name: "method", value: draft.method, required: true, size: 8 })
  const path = h("input", { name: "path", value: draft.path, required: true })
  const status = h("input", { name: "status", type: "number", min: 200, max: 599, value: draft.status, required: true })
  const headers = h("textarea", { name: "headers", rows: 3 }, draft.headers.map((pair) => pair.join(": ")).join("\n"))
  const body = h("textarea", { name: "body", rows: 10, class: "code" }, draft.body)
  const problem = h("p", { class: "failure", role: "alert", hidden: true })

  const install = async (): Promise<void> => {
    try {
      await api.send<MocksView>("POST", "mocks", {
        method: method.value.toUpperCase(),
        path: path.value,
        status: Number(status.value),
        headers: headers.value.split("\n").flatMap((line) => {
          const at = line.indexOf(":")
          return at < 1 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()]]
        }),
        body: body.value
      })
      dialog.close()
      say("The mock answers from now on.")
      onInstalled()
    } catch (error) {
      problem.hidden = false
      problem.textContent = format.messageOf(error)
    }
  }

  const dialog = h(
    "dialog",
    { "aria-label": "Mock", close: () => dialog.remove() },
    h(
      "form",
      {
        submit: (event: SubmitEvent) => {
          event.preventDefault()
          void install()
        }
      },
      h("h2", {}, "Mock this request"),
      h("p", { class: "hint" }, "The gateway answers it so while this inspector runs, whatever is registered."),
      h("div", { class: "fields" }, field("Method", method), field("Path", path, "wide"), field("Status", status)),
      field("Headers", headers),
      field("Body", body),
      problem,
      h(
        "div",
        { class: "actions" },
        h("button", { type: "submit", class: "primary" }, "Install"),
        button("Cancel", () => dialog.close())
      )
    )
  )
  document.body.append(dialog)
  dialog.showModal()
}
