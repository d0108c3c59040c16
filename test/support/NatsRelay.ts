/**
 * A connection to a NATS server that a test disturbs: cut, held, or without one of a client's messages.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface NatsRelay {
  readonly url: string
  /** Ends all connections, and takes none until `restore`. */
  readonly cut: Effect.Effect<void>
  readonly restore: Effect.Effect<void>
  /** Passes on nothing more from the server over the connections that there are, as if clients didn't read, until `release`. */
  readonly hold: Effect.Effect<void>
  readonly release: Effect.Effect<void>
  /** Loses the next write of a client that begins with a message to a subject with this prefix; done once it has. */
  readonly lose: (prefix: string) => Effect.Effect<void>
}

export const start = (server: string): Effect.Effect<NatsRelay, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pairs = new Set<{ readonly upstream: net.Socket; readonly close: () => void }>()
    let isCut = false
    let losing: { readonly prefix: string; readonly onLost: () => void } | undefined

    const isLost = (data: Buffer): boolean => {
      const message = /^H?PUB (\S+)/.exec(data.toString("latin1", 0, 200))
      if (losing === undefined || message?.[1]?.startsWith(losing.prefix) !== true) return false
      losing.onLost()
      losing = undefined
      return true
    }

    const relay = net.createServer((client) => {
      if (isCut) {
        client.destroy()
        return
      }
      const upstream = net.connect(Number(new URL(server).port), "127.0.0.1")
      const pair = {
        upstream,
        close: () => {
          client.destroy()
          upstream.destroy()
          pairs.delete(pair)
        }
      }
      pairs.add(pair)
      client.on("data", (data) => {
        if (!isLost(data)) upstream.write(data)
      })
      upstream.on("data", (data) => client.write(data))
      for (const each of [client, upstream]) each.on("error", pair.close).on("close", pair.close)
    })
    const port = yield* Effect.acquireRelease(
      Effect.async<number>((resume) => {
        relay.listen(0, "127.0.0.1", () => resume(Effect.succeed((relay.address() as net.AddressInfo).port)))
      }),
      () =>
        Effect.async<void>((resume) => {
          relay.close(() => resume(Effect.void))
          for (const { close } of pairs) close()
        })
    )
    return {
      url: `nats://127.0.0.1:${port}`,
      cut: Effect.sync(() => {
        isCut = true
        for (const { close } of pairs) close()
      }),
      restore: Effect.sync(() => {
        isCut = false
      }),
      hold: Effect.sync(() => {
        for (const { upstream } of pairs) upstream.pause()
      }),
      release: Effect.sync(() => {
        for (const { upstream } of pairs) upstream.resume()
      }),
      lose: (prefix) =>
        Effect.async<void>((resume) => {
          losing = { prefix, onLost: () => resume(Effect.void) }
        })
    }
  })
