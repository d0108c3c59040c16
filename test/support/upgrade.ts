/**
 * Upgrade requests with any header, and what is answered.
 */
import * as http from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ProofHeaders from "../../layers/ipc/ProofHeaders.js"
import * as TokenProof from "../../layers/ipc/TokenProof.js"

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** What a refusal says. */
  readonly error: string | undefined
}

export interface UpgradeOptions {
  readonly host?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>>
}

export const upgrade = (port: number, options: UpgradeOptions = {}): Effect.Effect<Answer, Error, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Answer & { readonly close: () => void }, Error>((resume) => {
        const request = http.request({
          host: options.host ?? "127.0.0.1",
          port,
          path: options.path ?? "/__ipc",
          agent: false,
          headers: rawHeaders({
            host: `127.0.0.1:${port}`,
            connection: "Upgrade",
            upgrade: "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
            ...options.headers
          })
        })
        const close = () => request.destroy()
        request.on("error", (error) => resume(Effect.fail(error)))
        request.on("upgrade", ({ headers }, socket) => {
          socket.on("error", () => {})
          resume(Effect.succeed({ status: 101, headers, error: undefined, close: () => socket.destroy() }))
        })
        request.on("response", (response) => {
          let body = ""
          response.on("data", (chunk) => {
            body += chunk
          })
          response.on("end", () => {
            const { error } = JSON.parse(body) as { readonly error: string }
            resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, error, close }))
          })
        })
        request.end()
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ error, headers, status }) => ({ error, headers, status })
  )

/** Names and values in turn, a name that has several values with each of them. */
const rawHeaders = (headers: Readonly<Record<string, string | ReadonlyArray<string>>>): Array<string> =>
  Object.entries(headers).flatMap(([name, values]) => [values].flat().flatMap((value) => [name, value as string]))

/** The nonce of a challenge. */
export const challenge = (port: number): Effect.Effect<string, Error, Scope.Scope> =>
  Effect.map(upgrade(port, { headers: { authorization: "Effect-IPC" } }), ({ headers }) => {
    const found = ProofHeaders.parseChallenge(headers["www-authenticate"])
    if (found?.scheme !== "proof") throw new Error(`no challenge: ${headers["www-authenticate"]}`)
    return found.serverNonce
  })

/** What our client would send to a server at 127.0.0.1 with this port. */
export const handshakeAt = (port: number, serverNonce: string): TokenProof.Handshake => ({
  serverNonce,
  clientNonce: TokenProof.makeNonce(),
  dialled: { host: "127.0.0.1", port, address: "127.0.0.1" }
})

export const authorization = (
  token: string,
  handshake: TokenProof.Handshake,
  role: TokenProof.Role = "client"
): string => ProofHeaders.printClientProof(handshake, TokenProof.prove(TokenProof.keyOf(token), role, handshake))
