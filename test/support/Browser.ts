/**
 * One Chromium for a file of tests.
 */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type BrowserContextOptions, type Browser as Chromium, chromium, type Page } from "playwright-core"

export class Browser extends Context.Tag("test/Browser")<Browser, Chromium>() {
  static readonly layer = Layer.scoped(
    Browser,
    Effect.acquireRelease(
      Effect.promise(() => chromium.launch({ executablePath: find(), args: ["--no-sandbox", "--disable-gpu"] })),
      (browser) => Effect.promise(() => browser.close())
    )
  )
}

/** A page of its own, which must log no error and make no request to another origin than its own. */
export const openPage = (
  url: string,
  options: BrowserContextOptions = {}
): Effect.Effect<Page, never, Browser | Scope.Scope> =>
  Effect.gen(function* () {
    const browser = yield* Browser
    const complaints: Array<string> = []
    const { origin } = new URL(url)
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })),
      (context) =>
        Effect.zipRight(
          Effect.promise(() => context.close()),
          Effect.suspend(() => (complaints.length === 0 ? Effect.void : Effect.dieMessage(complaints.join("\n"))))
        )
    )
    context.setDefaultTimeout(8000)
    const page = yield* Effect.promise(() => context.newPage())
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(`console: ${message.text()}`)
    })
    page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`))
    page.on("request", (request) => {
      if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("blob:")) {
        complaints.push(`request to ${request.url()}`)
      }
    })
    yield* Effect.promise(() => page.goto(url))
    return page
  })

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"]

/** Fails loudly: without a browser nothing of the page would be tested. */
const find = (): string => {
  const folders = (process.env.PATH ?? "").split(delimiter)
  for (const path of [
    process.env.CHROMIUM ?? "",
    ...names.flatMap((name) => folders.map((folder) => join(folder, name)))
  ]) {
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // The next one.
    }
  }
  throw new Error(
    `The tests of the inspector's page need Chromium: none of ${names.join(", ")} is on the PATH, nor does CHROMIUM name one. On Debian: apt-get install chromium`
  )
}
