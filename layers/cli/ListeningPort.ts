/**
 * A port for a child: free before it starts, and watched until it listens there.
 *
 * @since 0.1.0
 */
import { type AddressInfo, connect, createServer } from "node:net"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { CommandFailed } from "./CommandFailed.js"
import { failure } from "./CommandFailed.js"

/**
 * A port of the loopback interface on which nobody listens.
 *
 * @since 0.1.0
 * @category constructors
 */
export const free: Effect.Effect<number, CommandFailed> = Effect.async((resume) => {
  const server = createServer()
  server.once("error", (error) => resume(Effect.fail(failure(`No port is free: ${error.message}.`))))
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/**
 * Whether somebody listens there already. `false` also where it can't be told, which shows when the port is bound.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isInUse = ({ host, port }: { readonly host: string; readonly port: number }): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const server = createServer()
    server.once("error", ({ code }: NodeJS.ErrnoException) => resume(Effect.succeed(code === "EADDRINUSE")))
    server.listen({ host, port }, () => server.close(() => resume(Effect.succeed(false))))
  })

/**
 * Waits until the port accepts a connection, and tells by which URL: a server that listens on `localhost` may have got
 * only the IPv6 one of its addresses.
 *
 * @since 0.1.0
 * @category combinators
 */
export const awaitListening = (port: number, api: string): Effect.Effect<string> =>
  Effect.gen(function* () {
    yield* Effect.logWarning(`${api} doesn't listen on port ${port} yet. Does it take its port from PORT?`).pipe(
      Effect.delay("10 seconds"),
      Effect.forkScoped
    )
    return yield* Effect.retry(
      Effect.orElse(Effect.as(accepts("127.0.0.1", port), `http://127.0.0.1:${port}`), () =>
        Effect.as(accepts("::1", port), `http://[::1]:${port}`)
      ),
      patiently
    )
  }).pipe(Effect.scoped, Effect.orDie)

const patiently = Schedule.exponential("10 millis", 1.5).pipe(Schedule.union(Schedule.spaced("200 millis")))

const accepts = (host: string, port: number): Effect.Effect<void, Error> =>
  Effect.async((resume) => {
    const socket = connect({ host, port })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.void)
    })
    socket.once("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => void socket.destroy())
  })
