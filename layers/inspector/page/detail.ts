/**
 * One exchange in full, and what can be done with it.
 *
 * @internal
 */
import type { BodyView, ExchangeSummary, ExchangeView } from "../Views.js"
import * as api from "./api.js"
import { button, h, redraw, say } from "./dom.js"
import * as format from "./format.js"
import { openMockDialog } from "./mockDialog.js"

export interface DetailOptions {
  readonly onClose: () => void
  /** Another exchange is to be shown. */
  readonly onShow: (id: number) => void
  /** Only exchanges with the text are to be listed. */
  readonly onFilter: (text: string) => void
}

export class Detail {
  readonly element = h("section", { class: "detail", "aria-label": "Exchange", tabindex: -1, hidden: true })
  #id: number | undefined
  #showsSecrets = false
  /** Told apart from later ones, whose answers may come earlier. */
  #asked = 0

  constructor(private readonly options: DetailOptions) {
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close()
    })
  }

  get id(): number | undefined {
    return this.#id
  }

  async show(id: number): Promise<void> {
    if (id !== this.#id) this.#showsSecrets = false
    this.#id = id
    const asked = ++this.#asked
    try {
      const exchange = await api.get<ExchangeView>(`exchanges/${id}${this.#showsSecrets ? "?secrets=shown" : ""}`)
      if (asked === this.#asked) this.#draw(exchange)
    } catch (error) {
      if (asked === this.#asked) this.#drawProblem(format.messageOf(error))
    }
  }

  close(): void {
    this.#asked++
    this.#id = undefined
    this.element.hidden = true
    this.options.onClose()
  }

  async replay(): Promise<void> {
    if (this.#id === undefined) return
    try {
      const answer = await api.send<Partial<ExchangeSummary>>("POST", `exchanges/${this.#id}/replay`)
      say(`Replayed: ${answer.failure ?? answer.status}`)
      if (answer.id !== undefined) this.options.onShow(answer.id)
    } catch (error) {
      say(format.messageOf(error))
    }
  }

  #drawProblem(problem: string): void {
    this.element.hidden = false
    redraw(this.element, [this.#header([h("h2", {}, problem)])])
  }

  #header(children: ReadonlyArray<Node>): HTMLElement {
    return h(
      "header",
      {},
      ...children,
      button("×", () => this.close(), { class: "close", "aria-label": "Close", title: "Close (Esc)" })
    )
  }

  #draw(exchange: ExchangeView): void {
    const scrolled = this.element.scrollTop
    this.element.hidden = false
    redraw(this.element, [
      this.#header([
        h(
          "h2",
          {},
          h("span", { class: "method" }, exchange.method),
          " ",
          h("span", { class: "target" }, exchange.target)
        ),
        h("p", { class: "badges" }, badge(exchange), h("span", {}, format.duration(exchange.durationMillis)))
      ]),
      this.#actions(exchange),
      ...(exchange.failure === undefined ? [] : [h("p", { class: "failure" }, exchange.failure)]),
      this.#overview(exchange),
      headers("Request headers", exchange.requestHeaders),
      body("Request body", exchange.requestBody),
      headers("Response headers", exchange.responseHeaders),
      body("Response body", exchange.responseBody)
    ])
    this.element.scrollTop = scrolled
  }

  #actions(exchange: ExchangeView): HTMLElement {
    return h(
      "div",
      { class: "actions" },
      button("Replay", () => void this.replay(), { title: "Send the request again (r)" }),
      button("Copy as curl", () => void copy(format.curl(exchange))),
      button("Mock this", () => openMockDialog(mockOf(exchange))),
      button(this.#showsSecrets ? "Hide secrets" : "Show secrets", () => {
        this.#showsSecrets = !this.#showsSecrets
        void this.show(exchange.id)
      })
    )
  }

  #overview(exchange: ExchangeView): HTMLElement {
    const { answeredBy, answerer, answerers, caller, client, replayOf, traceId, waitMillis } = exchange
    const rows: ReadonlyArray<readonly [string, Node | string | undefined]> = [
      ["URL", exchange.url],
      [
        "Answered by",
        answerer === undefined ? "nothing: no route, mock or service took it" : `${answeredBy} ${answerer}`
      ],
      ["Service", exchange.api],
      [
        "Tried before",
        answerers.length > 1
          ? answerers
              .slice(0, -1)
              .map(({ name }) => name)
              .join(", ")
          : undefined
      ],
      ["Called by", caller],
      ["Client", client],
      ["Started", format.time(exchange.startedAt)],
      ["Until the head", waitMillis === undefined ? undefined : format.duration(waitMillis)],
      ["HTTP", exchange.httpVersion],
      ["Trace", traceId && button(traceId, () => this.options.onFilter(traceId), { class: "link" })],
      [
        "Replay of",
        replayOf === undefined
          ? undefined
          : button(`#${replayOf}`, () => this.options.onShow(replayOf), { class: "link" })
      ]
    ]
    return h(
      "dl",
      {},
      ...rows.flatMap(([name, value]) =>
        value === undefined || value === "" ? [] : [h("dt", {}, name), h("dd", {}, value)]
      )
    )
  }
}

export const badge = (exchange: ExchangeSummary): HTMLElement => {
  const kind = format.outcome(exchange)
  const text =
    kind === "open" ? "…" : kind === "failed" ? `${exchange.status ?? ""} failed`.trim() : String(exchange.status)
  return h("span", { class: `badge s${kind}` }, text)
}

const headers = (title: string, pairs: ExchangeView["requestHeaders"]): HTMLElement =>
  h(
    "details",
    { open: true },
    h("summary", {}, title, h("small", {}, String(pairs.length))),
    h("dl", { class: "headers" }, ...pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))
  )

const body = (title: string, view: BodyView): HTMLElement | string => {
  if (view.size === 0) return ""
  const { base64, text, truncated } = view
  if (text === undefined && base64 === undefined) {
    return h(
      "details",
      { open: true },
      h("summary", {}, title, h("small", {}, format.size(view.size))),
      h("p", {}, "It wasn't recorded: too many bytes passed in a short time.")
    )
  }
  const shown = text === undefined ? format.hex(base64 ?? "") : format.pretty(text)
  return h(
    "details",
    { open: true },
    h(
      "summary",
      {},
      title,
      h("small", {}, `${format.size(view.size)}${truncated ? ", only its beginning is kept" : ""}`)
    ),
    h("pre", { tabindex: 0 }, shown),
    h(
      "p",
      {},
      button("Copy", () => void copy(text ?? base64 ?? ""))
    )
  )
}

const copy = async (text: string): Promise<void> => {
  try {
    await navigator.clipboard.writeText(text)
    say("Copied.")
  } catch {
    say("The browser doesn't let this page copy.")
  }
}

/** What answered, as a mock; for what nothing took an empty answer to start from. */
const mockOf = ({ answeredBy, method, responseBody, responseHeaders, status, target }: ExchangeView) => {
  const isUnmatched = answeredBy === undefined || status === undefined
  const type = responseHeaders.find(([name]) => name.toLowerCase() === "content-type")?.[1]
  return {
    method,
    path: target.replace(/[?#].*/s, ""),
    status: isUnmatched ? 200 : status,
    headers: [["content-type", isUnmatched ? "application/json" : (type ?? "text/plain")]] as const,
    body: isUnmatched ? "{}" : (responseBody.text ?? "")
  }
}
