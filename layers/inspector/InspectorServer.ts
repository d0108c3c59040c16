/**
 * The inspector's HTTP server: its page, and its JSON for clients that know the token.
 *
 * The page is at a loopback port of its own. Pages of proxied services have the gateway's origin, so the browser keeps them
 * from reading anything here; and nothing is answered for a Host that isn't this server's, or told without the token, which
 * no cookie and no query carries.
 *
 * @internal
 */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { ListenFailed, PortInUse } from "../../src/IPCError.js"
import { logDefect } from "../../src/internal/DefectLog.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as JsonBounds from "../../src/internal/JsonBounds.js"
import * as RequestTarget from "../http/RequestTarget.js"
import * as Address from "../ipc/Address.js"
import * as HostNames from "../ipc/HostNames.js"
import * as Listening from "../ipc/Listening.js"
import type { PageAssets } from "./PageAssets.js"

/** A request below `/api/`, already admitted. */
export interface ApiRequest {
  readonly method: string
  /** Without `/api/` in front. */
  readonly path: string
  readonly query: URLSearchParams
  /** Parsed; `undefined` without one. */
  readonly body: unknown
}

/** JSON, or a file to save, or lines of JSON until the client goes. */
export type ApiAnswer =
  | { readonly _tag: "Json"; readonly status: number; readonly value: unknown }
  | { readonly _tag: "File"; readonly name: string; readonly type: string; readonly parts: Iterable<string> }
  | { readonly _tag: "Lines"; readonly next: Effect.Effect<unknown> }

export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly token: string
  readonly assets: PageAssets
  readonly api: (request: ApiRequest) => Effect.Effect<ApiAnswer>
}

/** Serves until the scope closes. */
export const make: (
  options: ServerOptions
) => Effect.Effect<{ readonly port: number }, PortInUse | ListenFailed, Scope.Scope> = Effect.fnUntraced(
  function* (options) {
    const { api, assets, host, token } = options
    const runFork = Runtime.runFork(yield* Effect.runtime<never>())
    const names = HostNames.make(host, [])
    let port = options.port
    const isOwnHost = (authority: string | undefined): boolean => {
      const name = HostNames.withoutPort(authority ?? "")
      if (name === undefined || Number(/:(\d+)$/.exec(authority ?? "")?.[1] ?? 80) !== port) return false
      return names.isName(name, {})
    }

    const onRequest = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
      const refused = refusalOf(request)
      if (refused !== undefined) return sendJson(response, refused[0], { error: refused[1] })
      const url = new URL(request.url ?? "/", "http://inspector")
      if (url.pathname.startsWith("/api/")) return onApiRequest(request, response, url)
      const file = request.method === "GET" ? files[url.pathname] : undefined
      if (file === undefined) return sendJson(response, 404, { error: "There is no such page." })
      response.writeHead(200, { ...headers, "content-type": file.type })
      response.end(file.content)
    }

    const files: Readonly<Record<string, { readonly type: string; readonly content: string }>> = {
      "/": { type: "text/html; charset=utf-8", content: assets.html },
      "/style.css": { type: "text/css; charset=utf-8", content: assets.css },
      "/icon.svg": { type: "image/svg+xml", content: assets.icon },
      "/main.js": { type: "text/javascript; charset=utf-8", content: assets.script }
    }

    const refusalOf = (request: Http.IncomingMessage): readonly [number, string] | undefined => {
      const { headers, url } = request
      const issue = RequestTarget.hostIssue(request)
      if (issue !== undefined) return [400, issue]
      if (!isOwnHost(headers.host)) return [403, "The Host isn't this inspector's."]
      const { origin } = headers
      if (origin !== undefined && !isOwnHost(/^http:\/\/(.*)$/.exec(origin)?.[1])) {
        return [403, "Pages of other origins can't use the inspector."]
      }
      if (!(url ?? "").startsWith("/") || !URL.canParse(url ?? "", "http://inspector"))
        return [400, "The path isn't one."]
      return undefined
    }

    const expected = digestOf(`Bearer ${token}`)
    const onApiRequest = (request: Http.IncomingMessage, response: Http.ServerResponse, url: URL): void => {
      if (!timingSafeEqual(digestOf(request.headers.authorization ?? ""), expected)) {
        return sendJson(response, 401, {
          error: "The token is missing or wrong. Open the URL that the inspector printed."
        })
      }
      const answered = Effect.flatMap(readBody(request), (body) =>
        typeof body === "string"
          ? Effect.succeed<ApiAnswer>({ _tag: "Json", status: 400, value: { error: body } })
          : api({
              method: request.method ?? "",
              path: url.pathname.slice(5),
              query: url.searchParams,
              body: body.value
            })
      ).pipe(
        Effect.flatMap((answer) => send(response, answer)),
        Effect.catchAllDefect((defect) =>
          Effect.zipRight(
            logDefect("The inspector couldn't answer a request", defect),
            Effect.sync(() =>
              response.headersSent ? response.destroy() : sendJson(response, 500, { error: messageOf(defect) })
            )
          )
        )
      )
      const fiber = runFork(answered)
      response.once("close", () => fiber.unsafeInterruptAsFork(fiber.id()))
    }

    const server = yield* Effect.acquireRelease(
      Effect.sync(() => Http.createServer({ headersTimeout: 10_000, requestTimeout: 30_000 }, onRequest)),
      (server) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    // Accepting may fail at any time. Open connections go on.
    server.on("error", () => {})
    const listening = yield* Listening.listen(server, Listening.only(Address.listenHost(host)), options.port)
    port = listening.port
    return { port }
  }
)

const send = (response: Http.ServerResponse, answer: ApiAnswer): Effect.Effect<void> => {
  switch (answer._tag) {
    case "Json":
      return Effect.sync(() => sendJson(response, answer.status, answer.value))
    case "File":
      return Effect.suspend(() => {
        const disposition = `attachment; filename="${answer.name}"`
        response.writeHead(200, { ...headers, "content-type": answer.type, "content-disposition": disposition })
        return Effect.forEach(answer.parts, (part) => write(response, part), { discard: true }).pipe(
          Effect.zipRight(Effect.sync(() => void response.end()))
        )
      })
    case "Lines":
      return Effect.suspend(() => {
        response.writeHead(200, { ...headers, "content-type": "application/x-ndjson; charset=utf-8" })
        return Effect.forever(Effect.flatMap(answer.next, (line) => write(response, `${JSON.stringify(line)}\n`)))
      })
  }
}

/** Done once the client has room for more. */
const write = (response: Http.ServerResponse, text: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (response.write(text)) return resume(Effect.void)
    const onDrain = () => resume(Effect.void)
    response.once("drain", onDrain)
    return Effect.sync(() => void response.off("drain", onDrain))
  })

const sendJson = (response: Http.ServerResponse, status: number, value: unknown): void => {
  const text = JSON.stringify(value)
  const close = status >= 400 ? { connection: "close" } : {}
  response.writeHead(status, { ...headers, ...close, "content-type": "application/json; charset=utf-8" })
  response.end(text)
}

/** The value of a JSON body, or what is wrong with it. */
const readBody = (request: Http.IncomingMessage): Effect.Effect<{ readonly value: unknown } | string> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    request.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBodyBytes) chunks.push(chunk)
    })
    request.on("error", () => resume(Effect.succeed("The request ended early.")))
    request.on("end", () => {
      if (size > maxBodyBytes) return resume(Effect.succeed("The body is too large."))
      const text = Buffer.concat(chunks).toString("utf8")
      try {
        resume(Effect.succeed({ value: text === "" ? undefined : JsonBounds.parse(text) }))
      } catch {
        resume(Effect.succeed("The body isn't JSON."))
      }
    })
  })

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Nothing but the page's own files, in no frame, kept by no cache. */
const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store"
} as const

const maxBodyBytes = 2 * 1024 * 1024
