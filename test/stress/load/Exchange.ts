/**
 * HTTP requests and WebSockets as effects: interrupting one aborts it, and whatever ends one has a tag.
 */
import * as http from "node:http"
import * as net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { WebSocket } from "ws"

export interface Failure {
  readonly _tag: string
}

export interface Request {
  readonly port: number
  readonly path: string
  readonly method?: string
  readonly body?: Buffer
  readonly agent?: http.Agent
}

const refusals = new Set([404, 502, 503, 504])

/** The body of a 200. Any other answer of a gateway is a failure by its status, and has to say why in JSON. */
export const request = ({ agent, body, method, path, port }: Request): Effect.Effect<string, Failure> =>
  Effect.async((resume) => {
    const fail = (error: NodeJS.ErrnoException) => resume(Effect.fail({ _tag: error.code ?? error.message }))
    const headers = body === undefined ? {} : { "content-length": body.length, "content-type": "text/plain" }
    const sent = http.request(
      { host: "127.0.0.1", port, path, method: method ?? "GET", agent: agent ?? false, headers },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", fail)
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("latin1")
          const status = response.statusCode ?? 0
          if (status === 200) return resume(Effect.succeed(text))
          resume(
            refusals.has(status) && /^\{"error":".+"\}$/.test(text)
              ? Effect.fail({ _tag: String(status) })
              : Effect.die(new Error(`${method ?? "GET"} ${path}: ${status} ${text.slice(0, 200)}`))
          )
        })
      }
    )
    sent.on("error", fail)
    sent.end(body)
    return Effect.sync(() => {
      sent.destroy()
    })
  })

/** Sends the texts to an echo, one after the other, and closes. */
export const echo = (port: number, path: string, texts: ReadonlyArray<string>): Effect.Effect<void, Failure> =>
  Effect.async((resume) => {
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false })
    const left = [...texts]
    webSocket.on("open", () => webSocket.send(left[0] as string))
    webSocket.on("message", (data) => {
      const sent = left.shift()
      if (String(data) !== sent) return resume(Effect.die(new Error(`${path} echoed ${String(data)} for ${sent}`)))
      if (left.length === 0) webSocket.close(1000)
      else webSocket.send(left[0] as string)
    })
    webSocket.on("error", (error: NodeJS.ErrnoException) => resume(Effect.fail({ _tag: error.code ?? error.message })))
    webSocket.on("close", (code) => {
      resume(code === 1000 && left.length === 0 ? Effect.void : Effect.fail({ _tag: `closed ${code}` }))
    })
    return Effect.sync(() => webSocket.terminate())
  })

/** A connection to write raw bytes to, of which nothing is read; destroyed with the scope. */
export const unread = (port: number): Effect.Effect<net.Socket, Failure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<net.Socket, Failure>((resume) => {
      const socket = net.connect(port, "127.0.0.1", () => resume(Effect.succeed(socket.pause())))
      socket.on("error", (error: NodeJS.ErrnoException) => resume(Effect.fail({ _tag: error.code ?? error.message })))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
