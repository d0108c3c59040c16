/**
 * The views beside the traffic.
 *
 * @internal
 */
import type {
  CallView,
  HealthView,
  InstanceView,
  MocksView,
  ProcessView,
  ServicesView,
  TimelineView
} from "../Views.js"
import * as api from "./api.js"
import { button, empty, h, table } from "./dom.js"
import * as format from "./format.js"
import { emptyMock, openMockDialog } from "./mockDialog.js"
import { PolledView } from "./polledView.js"

export const services = () =>
  new PolledView<ServicesView>("Services", "services", ({ edges, processes, services }) => [
    services.length === 0
      ? empty("No service is registered.")
      : h(
          "div",
          { class: "cards" },
          ...services.map((service) =>
            h(
              "article",
              { class: "card" },
              h(
                "header",
                {},
                h("h2", {}, service.api),
                h("code", {}, service.pathPrefix === "" ? "asked by name" : service.pathPrefix),
                h("small", {}, `${service.strategy}, ${many(service.instances.length, "instance")}`)
              ),
              ...service.instances.map(instance)
            )
          )
        ),
    edges.length === 0
      ? document.createTextNode("")
      : table(
          ["From", "To", "Over", "Calls", "Failed"],
          edges.map(({ count, failures, from, over, to }) => [
            from,
            to,
            over,
            String(count),
            failures === 0 ? "–" : failed(failures)
          ]),
          "Who calls whom"
        ),
    table(
      ["Process", "Program", "PID", "Host"],
      processes.map(({ host, pid, program, runtimeId }) => [runtimeId ?? "the leader", program, String(pid), host]),
      "Processes"
    )
  ])

const instance = ({ baseUrl, health, owner, process }: InstanceView): HTMLElement =>
  h(
    "div",
    { class: "instance" },
    h("span", { class: `dot ${stateOf(health)}`, title: inWords(health), role: "img", "aria-label": inWords(health) }),
    h("div", { class: "where" }, h("strong", {}, baseUrl), h("small", { title: owner }, processText(process, owner))),
    h(
      "div",
      { class: "ticks", role: "img", "aria-label": `Last answers: ${health.last.join(", ") || "none"}` },
      ...health.last.map((status) =>
        h("i", { class: `s${status === 0 ? "failed" : Math.floor(status / 100)}`, title: String(status || "failed") })
      )
    ),
    h(
      "dl",
      { class: "figures" },
      ...(
        [
          ["in flight", String(health.inFlight)],
          ["rate", `${health.ratePerSecond.toFixed(1)}/s`],
          ["p50", format.duration(health.p50)],
          ["p99", format.duration(health.p99)],
          ["failed", health.answers === 0 ? "–" : `${health.failures} of ${health.answers}`]
        ] as const
      ).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])
    )
  )

const processText = (process: ProcessView | undefined, owner: string): string =>
  process === undefined ? owner : `${process.program}, pid ${process.pid} on ${process.host}, ${owner}`

/** By the last answers: what is registered isn't therefore well. */
const stateOf = ({ last }: HealthView): string => {
  const recent = last.slice(-5)
  const failures = recent.filter((status) => status === 0 || status >= 500).length
  if (recent.length === 0) return "unknown"
  return failures === 0 ? "well" : failures === recent.length ? "down" : "shaky"
}

const inWords = (health: HealthView): string =>
  ({
    unknown: "It has had no request while it was watched",
    well: "The last answers are fine",
    shaky: "Some of the last answers failed",
    down: "The last answers all failed"
  })[stateOf(health)] ?? ""

export const requests = () => {
  const filter = h("input", {
    type: "search",
    placeholder: "Filter by name or process",
    "aria-label": "Filter requests"
  })
  const toolbar = h("div", { class: "toolbar" }, filter)
  let latest: ReadonlyArray<CallView> = []
  const body = h("div")
  const redraw = () => {
    const text = filter.value.trim().toLowerCase()
    const found = latest.filter(({ from, name, outcome, to }) =>
      `${name} ${from} ${to} ${outcome}`.toLowerCase().includes(text)
    )
    const shown = found.slice(-maxRows).reverse()
    body.replaceChildren(
      shown.length === 0
        ? empty("No request or stream between processes was seen yet.")
        : table(
            ["Time", "Name", "From", "To", "Took", "Outcome"],
            shown.map(({ durationMillis, from, kind, name, outcome, startedAt, to }) => [
              format.time(startedAt),
              kind === "stream" ? `${name} (stream)` : name,
              from,
              to,
              format.duration(durationMillis),
              h("span", { class: outcome === "success" ? "ok" : "bad" }, outcome)
            ])
          ),
      h("p", { class: "hint" }, found.length > maxRows ? `The latest ${maxRows} of ${found.length}.` : "")
    )
  }
  filter.addEventListener("input", redraw)
  return new PolledView<ReadonlyArray<CallView>>("Requests", "requests", (calls) => {
    latest = calls
    redraw()
    return [toolbar, body]
  })
}

const maxRows = 300

export const mocks = () =>
  new PolledView<MocksView>("Mocks", "mocks", ({ inForce, installed }, refresh) => [
    h(
      "div",
      { class: "toolbar" },
      button("New mock", () => openMockDialog(emptyMock, refresh), { class: "primary" })
    ),
    installed.length === 0
      ? empty("This inspector has installed no mock. “Mock this” on an exchange starts from what it was answered.")
      : table(
          ["Method", "Path", "Status", "Body", ""],
          installed.map(({ body, id, method, path, status }) => [
            method,
            path,
            String(status),
            body.length > 60 ? `${body.slice(0, 60)}…` : body,
            button("Remove", () => void api.send("DELETE", `mocks/${id}`).then(refresh), {
              "aria-label": `Remove ${method} ${path}`
            })
          ]),
          "Installed by this inspector"
        ),
    inForce.length === 0
      ? document.createTextNode("")
      : table(
          ["Kind", "Name", "Calls"],
          inForce.map(({ calls, kind, name, times }) => [
            kind,
            name,
            times === undefined ? String(calls) : `${calls} of ${times}`
          ]),
          "In force at the gateway, topmost first"
        )
  ])

export const timeline = () =>
  new PolledView<ReadonlyArray<TimelineView>>("Timeline", "timeline", (events) => [
    events.length === 0
      ? empty("Nothing has happened yet.")
      : h(
          "ol",
          { class: "timeline" },
          ...events
            .slice(-maxRows)
            .reverse()
            .map(({ at, kind, text }) =>
              h(
                "li",
                { class: kind },
                h("time", {}, format.time(at)),
                h("span", { class: "kind" }, kind),
                h("span", {}, text)
              )
            )
        )
  ])

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`

const failed = (count: number): HTMLElement => h("span", { class: "bad" }, String(count))
