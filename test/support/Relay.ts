/**
 * What an attacker puts in a connection's way: it forwards, and keeps what passes.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Relay {
  readonly port: number
  /** What each connection's client has sent so far. */
  readonly sent: ReadonlyArray<string>
  /** What all connections have carried so far, both ways. */
  readonly carried: () => string
}

export interface RelayOptions {
  /** The port of this machine to which the n-th connection leads. */
  readonly to: (connection: number) => number
  /** Changes what clients send. */
  readonly rewrite?: (text: string) => string
  readonly host?: string
  readonly port?: number
}

export const start = (options: RelayOptions): Effect.Effect<Relay, Error, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<net.Server & { readonly relay: Omit<Relay, "port"> }, Error>((resume) => {
        const { host = "127.0.0.1", port = 0, rewrite = (text) => text, to } = options
        const sent: Array<string> = []
        let carried = ""
        const server = net.createServer((socket) => {
          const index = sent.push("") - 1
          const upstream = net.connect(to(index), "127.0.0.1")
          socket.on("data", (data) => {
            const text = data.toString("latin1")
            sent[index] += text
            carried += text
            upstream.write(rewrite(text), "latin1")
          })
          upstream.on("data", (data) => {
            carried += data.toString("latin1")
            socket.write(data)
          })
          const close = () => {
            socket.destroy()
            upstream.destroy()
          }
          for (const each of [socket, upstream]) each.on("error", close).on("close", close)
        })
        server.once("error", (error) => resume(Effect.fail(error)))
        server.listen(port, host, () =>
          resume(Effect.succeed(Object.assign(server, { relay: { sent, carried: () => carried } })))
        )
      }),
      (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
    ),
    (server) => ({ ...server.relay, port: (server.address() as net.AddressInfo).port })
  )
