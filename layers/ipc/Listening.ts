/**
 * Binding a server to its port, at one address or at several.
 *
 * @internal
 */
import type * as Http from "node:http"
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ListenFailed, PortInUse } from "../../src/IPCError.js"
import * as Address from "./Address.js"

/** One of a server's addresses, and what it means when it can't be bound. */
export interface Binding {
  readonly host: string
  /** Whether the server does without the address where another process listens there. */
  readonly ifInUse: "fail" | "warn"
  /** Whether the server does without it where the machine has no such address. */
  readonly ifMissing: "fail" | "skip"
}

/** The host alone. */
export const only = (host: string): ReadonlyArray<Binding> => [{ host, ifInUse: "fail", ifMissing: "fail" }]

/**
 * What the holder of a port binds, so that processes that name this machine differently don't hold the same port side by
 * side: with a loopback host both loopback addresses, 127.0.0.1 first. That one decides which process holds the port.
 */
export const exclusive = (host: string): ReadonlyArray<Binding> => {
  switch (Address.listenHost(host)) {
    case "127.0.0.1":
      return [
        { host, ifInUse: "fail", ifMissing: "fail" },
        { host: "::1", ifInUse: "warn", ifMissing: "skip" }
      ]
    case "::1":
      return [
        { host: "127.0.0.1", ifInUse: "fail", ifMissing: "skip" },
        { host, ifInUse: "fail", ifMissing: "fail" }
      ]
    default:
      return only(host)
  }
}

export interface Listening {
  readonly port: number
  /** The hosts whose addresses are bound. */
  readonly hosts: ReadonlyArray<string>
  /** Frees every address at once. What is connected stays. */
  readonly release: Effect.Effect<void>
}

/**
 * Listens at every address, at the port that the first one gets. The scope's end frees what is bound, also where a later
 * address fails.
 */
export const listen: (
  server: Http.Server,
  bindings: ReadonlyArray<Binding>,
  port: number | undefined
) => Effect.Effect<Listening, PortInUse | ListenFailed, Scope.Scope> = Effect.fnUntraced(
  function* (server, bindings, requested) {
    const bound: Array<Net.Server> = []
    const hosts: Array<string> = []
    const release = Effect.sync(() => {
      for (const listener of bound) listener.close()
    })
    yield* Effect.addFinalizer(() => release)

    let port = requested ?? 0
    for (const binding of bindings) {
      const listener = bound.length === 0 ? server : forwarding(server)
      const onBound = (got: number) =>
        Effect.sync(() => {
          port = got
          bound.push(listener)
          hosts.push(binding.host)
          // Accepting may fail at any time.
          if (listener !== server) listener.on("error", (error) => server.emit("error", error))
        })
      yield* bind(listener, binding.host, port).pipe(
        Effect.flatMap(onBound),
        Effect.catchTags({
          PortInUse: (error) =>
            binding.ifInUse === "fail"
              ? Effect.fail(error)
              : Effect.logWarning(
                  `Another process listens on ${Address.addressOf(binding.host, port)}: a program that connects to localhost may reach that one.`
                ),
          ListenFailed: (error) =>
            binding.ifMissing === "skip" && isMissing(error.code) ? Effect.void : Effect.fail(error)
        })
      )
    }
    return { port, hosts, release }
  }
)

/** Accepts connections for an HTTP server, as that one would. */
export const forwarding = (server: Http.Server): Net.Server =>
  Net.createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: socketHighWaterMark }, (socket) =>
    server.emit("connection", socket)
  )

/**
 * A peer that reads slowly holds back the other one after this many bytes, one read of a socket. More lets large bodies pass
 * in fewer steps, but what waits longer is collected less cheaply.
 */
export const socketHighWaterMark = 64 * 1024

/** The machine has no such address, or no IPv6 at all. */
const isMissing = (code: string): boolean => code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT"

/** Uninterruptible, since Node may be looking up the host's name, and would listen after all once it has. */
const bind = (listener: Net.Server, host: string, requested: number): Effect.Effect<number, PortInUse | ListenFailed> =>
  Effect.uninterruptible(
    Effect.async((resume) => {
      // In plain JavaScript it may be the text of a variable.
      const port = Number(requested)
      const fail = (code: string, reason: string) =>
        resume(
          Effect.fail(
            code === "EADDRINUSE" ? new PortInUse({ host, port }) : new ListenFailed({ host, port, code, reason })
          )
        )
      if (!Address.isPort(port) || String(requested).trim() === "") {
        return fail("ERR_SOCKET_BAD_PORT", `a port is a whole number from 0 to 65535, not ${JSON.stringify(requested)}`)
      }
      const onError = (error: NodeJS.ErrnoException) => fail(error.code ?? "UNKNOWN", error.message)
      listener.once("error", onError)
      // Exclusive, since the workers of node:cluster share a port otherwise.
      listener.listen({ host: Address.listenHost(host), port, exclusive: true }, () => {
        listener.off("error", onError)
        resume(Effect.succeed((listener.address() as Net.AddressInfo).port))
      })
    })
  )
