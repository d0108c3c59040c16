/**
 * One attempt of a client to upgrade a connection, over whatever transport: what it shows, and how it fails.
 *
 * @internal
 */
import type { ClientRequest, IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Transport } from "../../src/connection/Transport.js"
import { ConnectFailed } from "../../src/IPCError.js"
import { oneLine } from "../../src/internal/Printable.js"
import * as ProofHeaders from "./ProofHeaders.js"

/** One upgrade request. */
export interface Offer {
  readonly url: URL
  /** The `Authorization`, once it is known what the connection reached. */
  readonly authorize: (socket: Socket) => string | undefined
  /** Whether the connection may be used with the server that took the upgrade. */
  readonly isTrusted: (response: IncomingMessage) => boolean
}

export type OnOpen = (transport: Transport) => void

export interface UpgradeFailed {
  readonly error: ConnectFailed
  /** Node's, where there was no answer. */
  readonly code?: string | undefined
  /** What the server wants to be answered before it takes the upgrade. */
  readonly challenge?: ProofHeaders.Challenge | undefined
}

/** The ways in which an attempt ends without a connection. `url` is as the user gave it. */
export const failures = (url: string, resume: (failed: Effect.Effect<never, UpgradeFailed>) => void) => {
  const fail = (
    reason: ConnectFailed["reason"],
    detail: string,
    { status, ...rest }: Omit<UpgradeFailed, "error"> & { readonly status?: number } = {}
  ) => resume(Effect.fail({ ...rest, error: new ConnectFailed({ url, reason, status, detail }) }))
  return {
    onError: (error: NodeJS.ErrnoException) => fail(reasonOf(error), detailOf(error), { code: error.code }),
    onUnproved: () => fail("Rejected", unproved, { status: 401 }),
    /** Reads the explanation in the answer of a server that refuses. */
    onResponse: (request: ClientRequest, response: IncomingMessage) =>
      readStart(response, (said) => {
        const { headers, statusCode: status = 0, statusMessage = "" } = response
        const detail = `the server answered ${status} ${shortened(statusMessage)}${said === "" ? "" : `: ${said}`}`
        fail("Rejected", detail, {
          status,
          challenge: status === 401 ? ProofHeaders.parseChallenge(headers["www-authenticate"]) : undefined
        })
        request.destroy()
      })
  }
}

/** Sends the request once it is connected, with what its offer shows there. */
export const send = (request: ClientRequest, { authorize }: Offer): void => {
  const onConnected = (socket: Socket) => {
    const authorization = authorize(socket)
    if (authorization !== undefined) request.setHeader("authorization", authorization)
    request.end()
  }
  request.once("socket", (socket) => {
    if (socket.connecting) socket.once("connect", () => onConnected(socket))
    else onConnected(socket)
  })
}

const unproved =
  "the server took the connection without proving that it knows the token; it has none, or isn't one of effect-ipc"

const reasonOf = ({ code }: NodeJS.ErrnoException): ConnectFailed["reason"] => {
  // What answered isn't HTTP, or not WebSocket.
  if (code === undefined || code.startsWith("HPE_")) return "Rejected"
  if (code === "ECONNREFUSED" || code === "ECONNRESET") return "Refused"
  return code === "ETIMEDOUT" ? "TimedOut" : "Unreachable"
}

/** A name with several addresses fails with an error for each, and no message of its own. */
const detailOf = (error: NodeJS.ErrnoException): string => {
  if (!(error instanceof AggregateError)) return error.message || String(error.code)
  return error.errors.map((each: Error) => each.message).join("; ")
}

const maxReadLength = 4096

/** The explanation in a refusal's body, for the error's message: its `error` where it is JSON, or else its start. */
const readStart = (response: IncomingMessage, onRead: (text: string) => void): void => {
  let text = ""
  let done = false
  const finish = () => {
    if (done) return
    done = true
    onRead(shortened(errorOf(text) ?? text))
  }
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    text += chunk
    if (text.length > maxReadLength) finish()
  })
  response.on("end", finish)
  response.on("error", finish)
  response.on("close", finish)
}

const shortened = (text: string): string => oneLine(text.length > 200 ? `${text.slice(0, 200)}…` : text)

const errorOf = (body: string): string | undefined => Option.getOrUndefined(decodeError(body))

const decodeError = Option.liftThrowable((body: string): string => {
  const { error } = JSON.parse(body) as { readonly error: string }
  return error.replace(/\.$/, "")
})
