/**
 * Answers of the server that close the connection, to requests that Node leaves to the listeners of bare sockets, too.
 *
 * @internal
 */
import { STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"

export interface Refusal {
  readonly status: number
  readonly error: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Answers on a bare socket. Destroyed once written, so that it doesn't stay half-open. */
export const refuse = (socket: Duplex, refusal: Refusal): void => {
  const body = bodyOf(refusal)
  const headers = Object.entries(headersOf(refusal, body)).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.once("finish", () => socket.destroy())
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${headers.join("")}\r\n${body}`)
}

export const bodyOf = ({ error }: Refusal): string => JSON.stringify({ error })

export const headersOf = (refusal: Refusal, body: string) => ({
  ...refusal.headers,
  connection: "close",
  "content-type": "application/json",
  "content-length": Buffer.byteLength(body)
})

/** What a CONNECT is answered: Node would close its connection without a word. RFC 9110 section 9.3.6. */
export const noTunnel: Refusal = {
  status: 501,
  error: "CONNECT isn't implemented: this server forwards requests to registered services, and opens no tunnels."
}
