/**
 * The inspector's JSON below `/api/`.
 *
 * @internal
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as HarFile from "../interception/HarFile.js"
import { version } from "../process/PackageVersion.js"
import type { StoredExchange } from "./ExchangeStore.js"
import type { GatewayWatch } from "./GatewayWatch.js"
import type { ApiAnswer, ApiRequest } from "./InspectorServer.js"
import type { InspectorState } from "./InspectorState.js"
import { instanceOf } from "./InspectorState.js"
import * as InspectorViews from "./InspectorViews.js"
import * as InstalledMocks from "./InstalledMocks.js"
import * as Replay from "./Replay.js"
import type { EventsView } from "./Views.js"

export const make =
  (state: InspectorState, watch: GatewayWatch) =>
  (request: ApiRequest): Effect.Effect<ApiAnswer> =>
    Effect.suspend(() => {
      const { method, path, query } = request
      const [collection = "", id, action] = path.split("/")
      const route = `${method} ${collection}${id === undefined ? "" : "/:id"}${action === undefined ? "" : `/${action}`}`
      const showSecrets = query.get("secrets") === "shown"
      switch (route) {
        case "GET status":
          return json(InspectorViews.status(state))
        case "GET services":
          return json(InspectorViews.services(state))
        case "GET requests":
          return json(InspectorViews.calls(state, Number(query.get("after") ?? 0)))
        case "GET timeline":
          return json(InspectorViews.timeline(state))
        case "GET mocks":
          return json(InspectorViews.mocks(state))
        case "POST mocks":
          return addMock(state, watch, request.body)
        case "DELETE mocks/:id":
          return setMocks(
            state,
            watch,
            state.mocks.filter((mock) => mock.id !== id)
          )
        case "GET exchanges":
          return json(Array.from(state.exchanges.all(), InspectorViews.summary))
        case "DELETE exchanges":
          state.clear()
          return json(InspectorViews.status(state))
        case "GET exchanges/:id":
          return ofExchange(state, id, (stored) => json(InspectorViews.exchange(state, stored, showSecrets)))
        case "POST exchanges/:id/replay":
          return ofExchange(state, id, (stored) => replay(state, stored))
        case "GET search":
          return json(InspectorViews.search(state, query.get("q") ?? ""))
        case "GET har":
          return Effect.succeed({
            _tag: "File",
            name: "traffic.har",
            type: "application/json",
            parts: HarFile.parts(version(), entriesOf(state, query.get("ids"), showSecrets))
          })
        case "GET events":
          return Effect.succeed({ _tag: "Lines", next: events(state) })
        default:
          return json({ error: `There is no ${method} /api/${path}.` }, 404)
      }
    })

const json = (value: unknown, status = 200): Effect.Effect<ApiAnswer> => Effect.succeed({ _tag: "Json", status, value })

const ofExchange = (
  { exchanges }: InspectorState,
  id: string | undefined,
  then: (stored: StoredExchange) => Effect.Effect<ApiAnswer>
): Effect.Effect<ApiAnswer> => {
  const stored = exchanges.get(Number(id))
  return stored === undefined ? json({ error: "The exchange isn't kept any more." }, 404) : then(stored)
}

const replay = (state: InspectorState, stored: StoredExchange): Effect.Effect<ApiAnswer> => {
  const instance = instanceOf(stored.record)
  return Replay.replay(stored.record, instance ?? state.gateway).pipe(
    Effect.flatMap((record) => {
      // What goes through the gateway is recorded there.
      if (instance === undefined) return json({ status: record.status, failure: record.failure })
      return json(InspectorViews.summary(state.onReplay(randomUUID(), record, stored.id)))
    }),
    Effect.catchTag("NotReplayable", ({ message }) => json({ error: message }, 409))
  )
}

const addMock = (state: InspectorState, watch: GatewayWatch, body: unknown): Effect.Effect<ApiAnswer> => {
  const fields = typeof body === "object" && body !== null ? body : {}
  const mock = InstalledMocks.specOf({ ...fields, id: randomUUID() })
  if (typeof mock === "string") return json({ error: `The mock can't be installed: ${mock}.` }, 400)
  const others = state.mocks.filter(({ method, path }) => method !== mock.method || path !== mock.path)
  if (others.length >= InstalledMocks.maxMocks) return json({ error: "There are too many mocks." }, 409)
  return setMocks(state, watch, [mock, ...others])
}

const setMocks = (state: InspectorState, watch: GatewayWatch, mocks: InspectorState["mocks"]) => {
  state.mocks = mocks
  return Effect.zipRight(watch.setMocks(mocks), json(InspectorViews.mocks(state)))
}

/** The exchanges with the ids, or all. */
function* entriesOf(state: InspectorState, ids: string | null, showSecrets: boolean) {
  const wanted = ids === null ? undefined : new Set(ids.split(",").map(Number))
  for (const stored of state.exchanges.all()) {
    if (stored.record.durationMillis === undefined || wanted?.has(stored.id) === false) continue
    yield InspectorViews.harEntry(state, stored, showSecrets)
  }
}

/** All exchanges first; then what has changed, a few times a second. */
const events = (state: InspectorState): Effect.Effect<EventsView> => {
  let next: number | undefined
  let clears = state.clears
  let status = ""
  const read = (): EventsView | undefined => {
    const now = InspectorViews.status(state)
    const text = JSON.stringify(now)
    const isReset = next === undefined || clears !== state.clears
    clears = state.clears
    if (isReset) {
      next = state.exchanges.changes.end
      status = text
      return { status: now, exchanges: Array.from(state.exchanges.all(), InspectorViews.summary), reset: true }
    }
    const page = state.exchanges.changes.read(next ?? 0, maxEventsAtOnce)
    if (page.missed > 0) {
      next = undefined
      return read()
    }
    next = page.next
    if (page.items.length === 0 && text === status) return undefined
    status = text
    const changed = new Set(page.items)
    return {
      status: now,
      exchanges: Array.from(changed, (id) => state.exchanges.get(id)).flatMap((stored) =>
        stored === undefined ? [] : InspectorViews.summary(stored)
      )
    }
  }
  const look = () => {
    const view = read()
    return view === undefined ? undefined : Effect.succeed(view)
  }
  const first = Effect.suspend(() => state.changed.until(look))
  return Effect.suspend(() => (next === undefined ? first : Effect.zipRight(Effect.sleep("100 millis"), first)))
}

const maxEventsAtOnce = 2000
