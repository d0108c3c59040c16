/**
 * Sending to whichever instance of a service the strategy chooses, within one deadline: waits until one is connected, and
 * asks another when the connection is lost.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CloseEvent } from "../CloseEvent.js"
import type { IPCSocket } from "../connection/IPCSocket.js"
import { isEndpoint } from "../DiscoveryEntry.js"
import { declined, notRegistered } from "../discovery/DiscoveryService.js"
import type { RouteCache } from "../discovery/RouteCache.js"
import type { FrameTooLarge } from "../IPCError.js"
import { ConnectionClosed, RequestTimeout, ServiceNotRegistered } from "../IPCError.js"
import type { RequestOptions } from "../IPCRequest.js"
import { millisOf } from "../internal/MonotonicTime.js"
import { clientDurations } from "../telemetry/Metrics.js"
import type { Endpoint } from "./Endpoint.js"
import type { EndpointPool } from "./EndpointPool.js"

export interface PatientSendingOptions {
  readonly api: string
  readonly clock: Clock.Clock
  readonly pool: EndpointPool
  readonly known: RouteCache
  /** Where participants meet, for messages. */
  readonly where: string
  /** How the client has ended, once it has. */
  readonly end: () => CloseEvent | undefined
  /** Waits until the instance is connected, or isn't worth waiting for. */
  readonly awaitConnection: (endpoint: Endpoint) => Effect.Effect<void>
}

/**
 * Sends by `send` to `first`, or to the instance that the strategy chooses; to another where the connection is lost and
 * the request is `idempotent`.
 */
export type PatientSending = <A, E>(
  request: string,
  millis: number,
  send: (endpoint: Endpoint, socket: IPCSocket<Endpoint>, within: RequestOptions) => Effect.Effect<A, E>,
  idempotent: boolean,
  first?: Endpoint
) => Effect.Effect<A, E | ServiceNotRegistered | ConnectionClosed | FrameTooLarge | RequestTimeout>

export const make = ({
  api,
  awaitConnection,
  clock,
  end,
  known,
  pool,
  where
}: PatientSendingOptions): PatientSending => {
  const unavailable = (request: string, millis: number): RequestTimeout | ServiceNotRegistered =>
    neverSent(
      request,
      millis,
      pool.isEmpty
        ? notRegistered(api, apis(known), words(api, known, where))
        : new RequestTimeout({ request, target: api, millis, unsent: "no instance could be connected to" })
    )

  return <A, E>(
    request: string,
    millis: number,
    send: (endpoint: Endpoint, socket: IPCSocket<Endpoint>, within: RequestOptions) => Effect.Effect<A, E>,
    idempotent: boolean,
    first?: Endpoint
  ) =>
    Effect.suspend(() => {
      type Sent = Effect.Effect<A, E | ServiceNotRegistered | ConnectionClosed | FrameTooLarge | RequestTimeout>
      const dueAt = millisOf(clock) + millis
      const left = () => Duration.millis(Math.max(Math.ceil(dueAt - millisOf(clock)), 0))
      const within = <B>(waiting: Effect.Effect<B>) =>
        Effect.timeoutFail(waiting, { duration: left(), onTimeout: () => unavailable(request, millis) })

      const sendTo = (endpoint: Endpoint, socket: IPCSocket<Endpoint>): Sent =>
        Effect.catchAll(send(endpoint, socket, { timeout: left() }), (error): Sent => {
          // A failure that the request itself declares may be of these classes too.
          if (error instanceof RequestTimeout && millisOf(clock) >= dueAt - 1) {
            return Effect.fail(new RequestTimeout({ ...error, millis }))
          }
          const isOurEnd = error instanceof ConnectionClosed && socket.state !== "open"
          if (!idempotent || !isOurEnd) return Effect.fail(error)
          const refusal = socket.refusal(error)
          return refusal === undefined ? loop() : Effect.fail(refusal)
        })

      const loop = (given?: Endpoint): Sent =>
        Effect.suspend(() => {
          const ending = end()
          if (ending !== undefined) {
            return Effect.fail(neverSent(request, 0, new ConnectionClosed({ request, target: api, ...ending })))
          }
          const chosen = given ?? pool.choose(request)
          if (chosen === undefined) {
            if (pool.hasCandidates) {
              return Effect.fail(neverSent(request, 0, new ServiceNotRegistered({ api, hint: declined })))
            }
            const candidates = pool.changes.until(() =>
              pool.hasCandidates || end() !== undefined ? Effect.void : undefined
            )
            return Effect.zipRight(within(candidates), loop())
          }
          const { isOpen, socket } = chosen.state
          if (isOpen && socket !== undefined) return sendTo(chosen, socket)
          return Effect.zipRight(
            within(awaitConnection(chosen)),
            Effect.suspend(() => loop(chosen.state.isOpen && chosen.state.mayBeChosen ? chosen : undefined))
          )
        })
      return loop(first)
    })
}

/** Counts a request that no connection has counted. */
const neverSent = <E extends { readonly _tag: string }>(request: string, millis: number, error: E): E => {
  clientDurations(request).record(millis / 1000, error._tag)
  return error
}

/** The names of the apis that have endpoints. */
const apis = (known: RouteCache): Iterable<string> =>
  new Set(known.routes().flatMap((route) => (isEndpoint(route) ? [route.api] : [])))

const words = (api: string, known: RouteCache, where: string) => {
  const none = known.routes().some((route) => route.api === api)
    ? "It is registered for HTTP alone: does its process have a ServiceServer?"
    : `None is registered for requests by name: are they running, and do they take part ${where}?`
  return {
    none,
    some: (names: string) =>
      known.routes().some((route) => route.api === api)
        ? none
        : `Registered: ${names}. Is the service running, and is its name spelled so?`
  }
}
