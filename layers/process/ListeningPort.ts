/**
 * The port of a child process: free before the child starts, and watched until the child listens there.
 *
 * @internal
 */
import { type AddressInfo, connect, createServer } from "node:net"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** A free port of the loopback interface. Fails with the system's error where there is none. */
export const free: Effect.Effect<number, NodeJS.ErrnoException> = Effect.async((resume) => {
  const server = createServer()
  server.once("error", (error) => resume(Effect.fail(error)))
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Whether another server listens there. `false` also where that can't be told; binding the port then tells. */
export const isInUse = ({ host, port }: { readonly host: string; readonly port: number }): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const server = createServer()
    server.once("error", ({ code }: NodeJS.ErrnoException) => resume(Effect.succeed(code === "EADDRINUSE")))
    server.listen({ host, port }, () => server.close(() => resume(Effect.succeed(false))))
  })

/**
 * Waits until the port accepts a connection. Succeeds with its URL: a server that listens on `localhost` may have got only
 * the IPv6 address.
 */
export const awaitListening = (port: number): Effect.Effect<string> =>
  Effect.retry(
    Effect.orElse(Effect.as(accepts("127.0.0.1", port), `http://127.0.0.1:${port}`), () =>
      Effect.as(accepts("::1", port), `http://[::1]:${port}`)
    ),
    polling
  ).pipe(Effect.orDie)

const polling = Schedule.exponential("10 millis", 1.5).pipe(Schedule.union(Schedule.spaced("200 millis")))

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
