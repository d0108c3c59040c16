/**
 * The inspector's page, driven in a browser.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { assert, layer } from "@effect/vitest"
import { Ajv, type AnySchemaObject } from "ajv"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Page } from "playwright-core"
import type { ExchangeRecord, FeedEvent } from "../../../layers/inspector/InspectorProtocol.js"
import * as PageAssets from "../../../layers/inspector/PageAssets.js"
import type { Discovery } from "../../../src/Discovery.js"
import { Browser, openPage } from "../../support/Browser.js"
import * as Cli from "../../support/Cli.js"
import { freePort, participant } from "../../support/discovery.js"
import { ask, echo, type openInspector, service, watching } from "../../support/inspector.js"

/** A gateway that is inspected, shared by the tests. */
class World extends Context.Tag("test/inspector/World")<
  World,
  {
    readonly gateway: string
    readonly discovery: Discovery.Service
    readonly inspector: Effect.Effect.Success<ReturnType<typeof openInspector>>
  }
>() {
  static readonly layer = Layer.scoped(
    World,
    Effect.gen(function* () {
      const port = yield* freePort
      const { discovery } = yield* participant({ port, runtimeId: "leader", warmUp: false })
      return { gateway: `http://127.0.0.1:${port}`, discovery, inspector: yield* watching(port) }
    })
  )
}

const does = <A>(act: () => Promise<A>) => Effect.promise(act)

const row = (page: Page, text: string) => page.locator(".row", { hasText: text })

/** How much of a processor the page's tasks have taken so far, in seconds. */
const processorSeconds = (page: Page) =>
  Effect.promise(async () => {
    const session = await page.context().newCDPSession(page)
    await session.send("Performance.enable", { timeDomain: "threadTicks" })
    return Effect.promise(async () => {
      const { metrics } = await session.send("Performance.getMetrics")
      return metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN
    })
  })

/** The page, on one of its views. */
const onView = (view: string, options?: Parameters<typeof openPage>[1]) =>
  Effect.gen(function* () {
    const { inspector } = yield* World
    const page = yield* openPage(inspector.url, options)
    yield* does(() => page.locator("#status.connected").waitFor())
    yield* does(() => page.getByRole("link", { name: view }).click())
    return page
  })

/** An exchange as a gateway's feed has it. */
const record = (number: number): ExchangeRecord => ({
  _tag: "Exchange",
  number,
  startedAt: 1_700_000_000_000 + number,
  durationMillis: 2,
  waitMillis: 1,
  method: number % 10 === 0 ? "POST" : "GET",
  target: `/many/${number}`,
  httpVersion: "1.1",
  client: "127.0.0.1:1",
  requestHeaders: [["host", "example"]],
  requestBody: { size: 0 },
  status: 200,
  responseHeaders: [["content-type", "text/plain"]],
  responseBody: { text: `answer ${number}`, size: 10 },
  answerers: [{ kind: "upstream", name: "http://127.0.0.1:1", api: "many" }]
})

layer(Layer.merge(World.layer, Browser.layer), { excludeTestServices: true, timeout: 30_000 })(
  "the inspector's page",
  (it) => {
    it.scoped("shows services that come and go, and how they answer", () =>
      Effect.gen(function* () {
        const { discovery, gateway } = yield* World
        const page = yield* onView("Services")
        const upstream = yield* service((_, response) => response.writeHead(500).end())
        const card = page.locator(".card", { hasText: "coming" })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* discovery.register({ api: "coming", baseUrl: upstream, pathPrefix: "/coming" })
            yield* does(() => card.getByLabel("It has had no request while it was watched").waitFor())
            yield* ask(`${gateway}/coming`)
            yield* does(() => card.getByLabel("The last answers all failed").waitFor())
            assert.include(yield* does(() => card.textContent()), `pid ${process.pid}`)
          })
        )
        yield* does(() => card.waitFor({ state: "detached" }))
      })
    )

    it.scoped("shows a request within a second, filters, and searches bodies", () =>
      Effect.gen(function* () {
        const { discovery, gateway } = yield* World
        const upstream = yield* service(echo)
        yield* discovery.register({ api: "echo", baseUrl: upstream, pathPrefix: "/echo" })
        const page = yield* onView("Traffic")
        yield* ask(`${gateway}/echo/first`)
        yield* does(() => row(page, "/echo/first").waitFor({ timeout: 1000 }))
        yield* ask(`${gateway}/echo/second`, { method: "POST", body: "a needle in a haystack" })
        yield* does(() => row(page, "/echo/second").waitFor())

        yield* does(() => page.getByLabel("Method").selectOption("POST"))
        yield* does(() => row(page, "/echo/first").waitFor({ state: "detached" }))
        yield* does(() => page.getByLabel("Method").selectOption(""))
        yield* does(() => page.getByLabel("Filter", { exact: true }).fill("/echo/fir"))
        yield* does(() => row(page, "/echo/second").waitFor({ state: "detached" }))
        yield* does(() => row(page, "/echo/first").waitFor())

        yield* does(() => page.getByLabel("Filter", { exact: true }).fill("NEEDLE"))
        yield* does(() => page.getByText("No exchange is like that.").waitFor())
        yield* does(() => page.keyboard.press("Enter"))
        yield* does(() => row(page, "/echo/second").waitFor())
        assert.strictEqual(yield* does(() => page.locator(".row").count()), 1)
      })
    )

    it.scoped("shows an exchange whole, as text whatever it is, and secrets when asked", () =>
      Effect.gen(function* () {
        const { discovery, gateway } = yield* World
        const upstream = yield* service(echo)
        const api = "<script>document.title = 'taken'</script>"
        yield* discovery.register({ api, baseUrl: upstream, pathPrefix: "/html" })
        const page = yield* onView("Traffic")
        const body = '<img src="x" onerror="document.title = \'taken\'">'
        const headers = { "content-type": "text/html", authorization: "Bearer secret" }
        yield* ask(`${gateway}/html?<b>`, { method: "POST", body, headers })
        yield* does(() => row(page, "/html").click())
        const detail = page.getByRole("region", { name: "Exchange" })
        yield* does(() => detail.locator("pre", { hasText: body }).first().waitFor())
        const text = (yield* does(() => detail.textContent())) ?? ""
        for (const part of [api, body, "[hidden]", "content-type", upstream]) assert.include(text, part)
        assert.notInclude(text, "Bearer secret")
        yield* does(() => detail.getByRole("button", { name: "Show secrets" }).click())
        yield* does(() => detail.getByText("Bearer secret").waitFor())
        yield* does(() => page.getByRole("link", { name: "Services" }).click())
        yield* does(() => page.locator(".card", { hasText: api }).waitFor())
        assert.strictEqual(yield* does(() => page.locator("img").count()), 0)
        assert.strictEqual(yield* does(() => page.locator("script").count()), 1)
        assert.notInclude(yield* does(() => page.title()), "taken")
      })
    )

    it.scoped("replays a request at the instance that had it", () =>
      Effect.gen(function* () {
        const { discovery, gateway } = yield* World
        const seen: Array<string> = []
        const upstream = yield* service((request, response) => {
          seen.push(`${request.method} ${request.url} ${request.headers.authorization}`)
          response.end(`answer ${seen.length}`)
        })
        yield* discovery.register({ api: "replayed", baseUrl: upstream, pathPrefix: "/replayed" })
        const page = yield* onView("Traffic")
        yield* ask(`${gateway}/replayed?x=1`, { headers: { authorization: "Bearer secret" } })
        yield* does(() => row(page, "/replayed").click())
        yield* does(() => page.getByRole("button", { name: "Replay" }).click())
        yield* does(() => page.locator("pre", { hasText: "answer 2" }).waitFor())
        assert.deepStrictEqual(seen, Array(2).fill("GET /replayed?x=1 Bearer secret"))
      })
    )

    it.scoped("mocks an unmatched request, until the mock is removed", () =>
      Effect.gen(function* () {
        const { gateway } = yield* World
        const page = yield* onView("Traffic")
        assert.strictEqual((yield* ask(`${gateway}/missing?x=1`)).status, 404)
        yield* does(() => row(page, "/missing").click())
        yield* does(() => page.getByRole("button", { name: "Mock this" }).click())
        yield* does(() => page.getByLabel("Status", { exact: true }).fill("418"))
        yield* does(() => page.getByLabel("Body").fill('{"mocked":true}'))
        yield* does(() => page.getByRole("button", { name: "Install" }).click())
        yield* does(() => page.getByText("The mock answers from now on.").waitFor())
        const { inspector } = yield* World
        const mocked = yield* Effect.repeat(ask(`${gateway}/missing?x=2`), { until: ({ status }) => status !== 404 })
        assert.deepStrictEqual(mocked, { status: 418, body: '{"mocked":true}' })
        yield* does(() => page.getByRole("link", { name: "Mocks" }).click())
        yield* does(() => page.getByRole("button", { name: "Remove GET /missing" }).click())
        yield* does(() => page.getByText("This inspector has installed no mock").waitFor())
        assert.deepStrictEqual(inspector.state.mocks, [])
        yield* Effect.repeat(ask(`${gateway}/missing?x=3`), { until: ({ status }) => status === 404 })
      })
    )

    it.scoped("exports HAR that fits its schema", () =>
      Effect.gen(function* () {
        const { discovery, gateway } = yield* World
        const upstream = yield* service(echo)
        yield* discovery.register({ api: "exported", baseUrl: upstream, pathPrefix: "/exported" })
        const page = yield* onView("Traffic")
        const bytes = Uint8Array.of(0, 255, 1)
        const headers = { cookie: "a=secret", "content-type": "application/octet-stream" }
        yield* ask(`${gateway}/exported?x=1&x=2`, { method: "POST", body: bytes, headers })
        yield* does(() => row(page, "/exported").waitFor())
        const [download] = yield* does(() =>
          Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export HAR" }).click()])
        )
        const har: unknown = JSON.parse(readFileSync(yield* does(() => download.path()), "utf8"))
        assert.deepStrictEqual(issuesOf(har), [])
        const { entries } = (har as { readonly log: { readonly entries: ReadonlyArray<HarEntry> } }).log
        const entry = entries.find(({ request }) => request.url.includes("/exported"))
        assert.deepStrictEqual(entry?.response.content, {
          size: 3,
          mimeType: "application/octet-stream",
          text: "AP8B",
          encoding: "base64"
        })
        assert.notInclude(JSON.stringify(entry), "secret")
      })
    )

    it.scoped("shows ten thousand exchanges, of which only those in sight are in the document", () =>
      Effect.gen(function* () {
        const { inspector } = yield* World
        inspector.state.clear()
        const events = Array.from({ length: 10_000 }, (_, number) => record(number))
        inspector.state.onPage({ recording: "many", events, missed: 0, behind: 0 })
        const page = yield* onView("Traffic")
        yield* does(() => row(page, "/many/9999").waitFor())
        assert.isBelow(yield* does(() => page.locator(".row").count()), 100)
        const list = page.getByRole("listbox")
        yield* does(() => list.press("Home"))
        yield* does(() => row(page, "/many/0").first().waitFor())
        yield* does(() => page.getByText("answer 0", { exact: true }).waitFor())
        yield* does(() => list.press("End"))
        yield* does(() => page.getByText("answer 9999", { exact: true }).waitFor())
        const seconds = yield* processorSeconds(page)
        const before = yield* seconds
        yield* does(() => page.getByLabel("Filter", { exact: true }).fill("/many/123"))
        yield* does(() => page.getByText("11 of 10000").waitFor())
        assert.isBelow((yield* seconds) - before, 1)
        inspector.state.clear()
        yield* does(() => page.getByText("No request yet").waitFor())
        yield* does(() => page.getByLabel("Filter", { exact: true }).fill(""))
        const unrecorded = { ...record(1), responseBody: { size: 3000 } }
        inspector.state.onPage({ recording: "unrecorded", events: [unrecorded], missed: 0, behind: 0 })
        yield* does(() => row(page, "/many/1").click())
        yield* does(() => page.getByText("It wasn't recorded").waitFor())
      })
    )

    it.scoped("is used by keyboard alone", () =>
      Effect.gen(function* () {
        const { gateway, inspector } = yield* World
        inspector.state.clear()
        const page = yield* onView("Traffic")
        yield* ask(`${gateway}/by/key/1`)
        yield* ask(`${gateway}/by/key/2`)
        yield* does(() => row(page, "/by/key/2").waitFor())
        yield* does(() => page.keyboard.press("/"))
        yield* does(() => page.keyboard.type("/by/key"))
        yield* does(() => page.keyboard.press("ArrowDown"))
        yield* does(() => page.keyboard.press("ArrowDown"))
        yield* does(() => page.keyboard.press("j"))
        const detail = page.getByRole("region", { name: "Exchange" })
        yield* does(() => detail.getByRole("heading", { name: "GET /by/key/2" }).waitFor())
        yield* does(() => page.keyboard.press("Enter"))
        assert.strictEqual(yield* does(() => page.locator(".detail:focus").count()), 1)
        yield* does(() => page.keyboard.press("Escape"))
        yield* does(() => detail.waitFor({ state: "hidden" }))
        yield* does(() => page.keyboard.press("5"))
        yield* does(() => page.getByRole("region", { name: "Timeline" }).waitFor())
      })
    )

    it.scoped("takes a click on a row that is drawn anew meanwhile, and keeps the focus where it is", () =>
      Effect.gen(function* () {
        const { inspector } = yield* World
        inspector.state.clear()
        const show = (...events: ReadonlyArray<FeedEvent>) =>
          inspector.state.onPage({ recording: "focus", events, missed: 0, behind: 0 })
        show(record(1))
        const page = yield* onView("Traffic")
        yield* does(() => row(page, "/many/1").hover())
        yield* does(() => page.mouse.down())
        show({ ...record(2), target: "/later" })
        yield* does(() => row(page, "/later").waitFor())
        yield* does(() => page.mouse.up())
        yield* does(() => page.getByText("answer 1", { exact: true }).waitFor())

        yield* does(() => page.getByRole("button", { name: "Show secrets" }).press("Enter"))
        yield* does(() => page.locator("button:focus", { hasText: "Hide secrets" }).waitFor())

        yield* does(() => page.getByRole("link", { name: "Requests" }).click())
        yield* does(() => page.getByLabel("Filter requests").focus())
        const call = {
          kind: "request",
          process: "",
          target: "",
          startedAt: 1,
          durationMillis: 1,
          outcome: "success"
        } as const
        show({ _tag: "Call", name: "later/request", ...call })
        yield* does(() => page.getByText("later/request").waitFor())
        yield* does(() => page.keyboard.type("later"))
        assert.strictEqual(yield* does(() => page.getByLabel("Filter requests").inputValue()), "later")
      })
    )

    it.scoped("fits into 400 pixels, in light and in dark", () =>
      Effect.gen(function* () {
        const { gateway } = yield* World
        yield* ask(`${gateway}/narrow/${"long".repeat(100)}`)
        for (const colorScheme of ["light", "dark"] as const) {
          const page = yield* onView("Traffic", { colorScheme, viewport: { width: 400, height: 800 } })
          const fits = (view: string) =>
            Effect.map(
              does(() => page.evaluate<number>("document.documentElement.scrollWidth")),
              (width) => assert.isAtMost(width, 400, view)
            )
          yield* does(() => row(page, "/narrow/").click())
          yield* does(() => page.getByRole("button", { name: "Replay" }).waitFor())
          yield* fits("Traffic")
          for (const view of ["Services", "Requests", "Mocks", "Timeline"]) {
            yield* does(() => page.getByRole("link", { name: view }).click())
            yield* fits(view)
          }
        }
      })
    )

    it.scoped("goes on with the next leader after a SIGKILL, with its mocks", () =>
      Effect.gen(function* () {
        const port = String(yield* freePort)
        const participate = (api: string) =>
          Effect.gen(function* () {
            const options = ["--api", api, "--prefix", `/${api}`, "--url", "http://127.0.0.1:9", "--port", port]
            const process = yield* Cli.start(["register", ...options])
            yield* process.stdout.line(`${api} at`)
            return process
          })
        const first = yield* participate("first")
        yield* participate("second")
        const inspector = yield* watching(Number(port))
        const page = yield* openPage(inspector.url)
        const mock = JSON.stringify({ method: "GET", path: "/kept", status: 200, headers: [], body: "still here" })
        yield* inspector.get("mocks", { method: "POST", body: mock })
        const asked = Effect.option(
          Effect.tryPromise(async () => (await fetch(`http://127.0.0.1:${port}/kept`)).text())
        )
        const answered = Effect.repeat(Effect.zipLeft(asked, Effect.sleep("20 millis")), {
          until: (text) => text._tag === "Some" && text.value === "still here"
        })
        yield* answered
        yield* does(() => page.locator("#status", { hasText: "first-" }).waitFor())
        yield* first.kill
        yield* does(() => page.locator("#status.connected", { hasText: "second-" }).waitFor())
        yield* answered
        yield* does(() => row(page, "/kept").last().waitFor())
        yield* does(() => page.getByRole("link", { name: "Timeline" }).click())
        yield* does(() => page.locator(".timeline .unregistered", { hasText: "first at" }).waitFor())
        yield* does(() => page.locator(".timeline .lost").waitFor())
        yield* does(() => page.locator(".timeline .leader", { hasText: "second-" }).waitFor())
      })
    )

    it.scoped("isn't reached by a page of a proxied service", () =>
      Effect.gen(function* () {
        const { discovery, gateway, inspector } = yield* World
        const upstream = yield* service((_, response) =>
          response.setHeader("content-type", "text/html").end(hostilePage(inspector.origin, inspector.token))
        )
        yield* discovery.register({ api: "page", baseUrl: upstream, pathPrefix: "/page" })
        const browser = yield* Browser
        const page = yield* Effect.acquireRelease(
          does(() => browser.newPage()),
          (page) => does(() => page.close())
        )
        yield* does(() => page.goto(`${gateway}/page`))
        const reached = yield* does(() => page.evaluate<unknown>("attempts"))
        assert.deepStrictEqual(reached, {
          read: "refused",
          readPage: "refused",
          send: "refused",
          script: "refused",
          frame: "closed"
        })
        const frames = page.frames().filter((frame) => frame.parentFrame() !== null)
        const shown = yield* does(() => Promise.all(frames.map((frame) => frame.content())))
        for (const content of shown) assert.notInclude(content, "inspector</span>")
        assert.deepStrictEqual(inspector.state.mocks, [])
      })
    )

    it("is smaller than 150 kB", async () => {
      const files = Object.values(await PageAssets.load())
      const bytes = files.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
      assert.isAbove(bytes, 10_000)
      assert.isBelow(bytes, 150_000)
    })
  }
)

/** A page that knows the inspector's address, and even its token, and tries to reach it. */
const hostilePage = (origin: string, token: string) => `<!doctype html><body><script>
  const inspector = ${JSON.stringify(origin)}
  const attempt = async (act) => { try { return String(await act()) } catch { return "refused" } }
  const loaded = (element) => new Promise((resolve, reject) => {
    element.onload = resolve
    element.onerror = reject
    document.body.append(element)
  })
  const attempts = (async () => ({
    read: await attempt(() => fetch(inspector + "/api/status", { headers: { authorization: "Bearer ${token}" } })),
    readPage: await attempt(() => fetch(inspector + "/")),
    send: await attempt(async () => (await fetch(inspector + "/api/mocks", { method: "POST", mode: "no-cors", body: "{}" })).status),
    script: await attempt(() => loaded(Object.assign(document.createElement("script"), { src: inspector + "/main.js" }))),
    frame: await attempt(async () => {
      const frame = Object.assign(document.createElement("iframe"), { src: inspector + "/#token=${token}" })
      await loaded(frame)
      return frame.contentDocument === null ? "closed" : "open"
    })
  }))()
</script>`

interface HarEntry {
  readonly request: { readonly url: string }
  readonly response: { readonly content: unknown }
}

/** What is wrong with a HAR file by its published schema. */
const issuesOf = (har: unknown): ReadonlyArray<unknown> => {
  const require = createRequire(import.meta.url)
  const schemas = require("har-schema") as Readonly<Record<string, AnySchemaObject>>
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })
  ajv.addMetaSchema(require("ajv/dist/refs/json-schema-draft-06.json"))
  for (const schema of Object.values(schemas)) ajv.addSchema(schema)
  ajv.validate("har.json#", har)
  return ajv.errors ?? []
}
