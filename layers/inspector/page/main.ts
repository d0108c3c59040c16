/**
 * The inspector's page: one view at a time, chosen by the address's fragment.
 *
 * @internal
 */
import type { StatusView } from "../Views.js"
import * as api from "./api.js"
import { empty, h } from "./dom.js"
import { TrafficView } from "./trafficView.js"
import * as views from "./views.js"

interface View {
  readonly element: HTMLElement
  onShown(): void
  onHidden?(): void
}

const traffic = new TrafficView()
const all: ReadonlyArray<readonly [path: string, title: string, view: View]> = [
  ["services", "Services", views.services()],
  ["traffic", "Traffic", traffic],
  ["requests", "Requests", views.requests()],
  ["mocks", "Mocks", views.mocks()],
  ["timeline", "Timeline", views.timeline()]
]

const main = document.querySelector("main") as HTMLElement
const nav = document.querySelector("nav") as HTMLElement
const status = document.querySelector("#status") as HTMLElement

const links = all.map(([path, title], at) => h("a", { href: `#/${path}`, title: `${title} (${at + 1})` }, title))

const show = (): void => {
  const path = /^#\/(\w+)/.exec(location.hash)?.[1] ?? "traffic"
  all.forEach(([name, title, view], at) => {
    const isShown = name === path
    view.element.hidden = !isShown
    if (isShown) {
      links[at]?.setAttribute("aria-current", "page")
      document.title = `${title} · effect-ipc inspector`
      view.onShown()
    } else {
      links[at]?.removeAttribute("aria-current")
      view.onHidden?.()
    }
  })
}

const showStatus = ({ connected, gateway, leader, missed, problem }: StatusView): void => {
  const who = leader?.kind === "bin" ? "standalone gateway" : (leader?.runtimeId ?? "a server")
  const lost = missed === 0 ? "" : ` · ${missed} events missed`
  status.className = connected && problem === undefined ? "connected" : "disconnected"
  status.textContent = connected
    ? `${gateway} · ${who}${lost}${problem === undefined ? "" : ` · only its services are shown: ${problem}`}`
    : `${gateway} isn't reached: ${problem ?? "connecting"}`
  status.title = status.textContent
}

const onKey = (event: KeyboardEvent): void => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  if (event.target instanceof Element && event.target.closest("input, textarea, select, dialog") !== null) return
  const link = links[Number(event.key) - 1]
  if (link !== undefined) link.click()
  else if (traffic.element.hidden || !traffic.onKey(event.key)) return
  event.preventDefault()
}

api.takeToken()
nav.append(...links)
if (api.hasToken()) {
  main.append(...all.map(([, , view]) => view.element))
  addEventListener("hashchange", show)
  addEventListener("keydown", onKey)
  show()
  void api.listen(
    (events) => {
      showStatus(events.status)
      traffic.onEvents(events)
    },
    (problem, isFinal) => {
      if (problem === undefined) return
      status.className = "disconnected"
      status.textContent = isFinal ? `${problem} Open the URL that the inspector printed.` : problem
    }
  )
} else {
  main.append(empty("Open the URL that the inspector printed: this one lacks its token."))
}
