/**
 * The connections of one client to the instances of a service, each opened when it is first needed.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { IPCSocket } from "../connection/IPCSocket.js"
import type { IPCSocketContext } from "../connection/IPCSocketOptions.js"
import { ConnectFailed } from "../IPCError.js"
import { detached } from "../internal/Detached.js"
import { timeoutFail } from "../internal/MonotonicTime.js"
import * as Metrics from "../telemetry/Metrics.js"
import type { Endpoint } from "./Endpoint.js"
import type { EndpointPool } from "./EndpointPool.js"
import type { ServiceEndpoints } from "./ServiceEndpoints.js"

export interface EndpointConnectionsOptions {
  readonly api: string
  readonly pool: EndpointPool
  readonly context: IPCSocketContext<Endpoint>
  readonly endpoints: ServiceEndpoints
  /** The name by which instances call the client. */
  readonly runtimeId: string
  readonly connectTimeout: Duration.Duration
  /** Whether the client has closed. */
  readonly isOver: () => boolean
  /** The client's. */
  readonly scope: Scope.Scope
}

/** How long a request waits for one attempt to connect, in milliseconds, before it looks for another instance. */
const slowMillis = 500

/** Opens an instance's connection in the background; waits until it is open, or has failed, or takes long. */
export const awaiting = ({
  api,
  connectTimeout,
  context,
  endpoints,
  isOver,
  pool,
  runtimeId,
  scope
}: EndpointConnectionsOptions): ((endpoint: Endpoint) => Effect.Effect<void>) => {
  const openConnection = (endpoint: Endpoint): Effect.Effect<void> =>
    endpoints
      .connect(
        endpoint.baseUrl,
        runtimeId
      )((transport) => {
        // The attempt has ended, so nothing else would close this transport.
        if (isOver()) return transport.terminate()
        const socket = new IPCSocket(context, transport, `${api} at ${endpoint.baseUrl}`, endpoint)
        Metrics.connections.client(1)
        socket.onceClosed(() => Metrics.connections.client(-1))
        pool.onConnected(endpoint, socket)
      })
      .pipe(
        timeoutFail({
          duration: connectTimeout,
          onTimeout: () => new ConnectFailed({ url: endpoint.baseUrl, reason: "TimedOut", detail: "no answer" })
        }),
        Effect.catchAllCause((cause) =>
          Effect.suspend(() => {
            // It may open at the same moment as the limit passes.
            if (endpoint.state.isOpen || Cause.isInterruptedOnly(cause)) return Effect.void
            pool.onConnectFailed(endpoint)
            return Effect.logDebug(`An instance of ${api} can't be connected to`, cause)
          })
        )
      )

  return (endpoint) =>
    Effect.suspend(() => {
      if (endpoint.state.isOpen) return Effect.void
      const settled = pool.changes.until(() => (endpoint.state.isConnecting && !isOver() ? undefined : Effect.void))
      const slow = Effect.sync(() => pool.onSlow(endpoint))
      const settledSoon = Effect.timeoutTo(settled, {
        duration: slowMillis,
        onSuccess: () => Effect.void,
        onTimeout: () => slow
      }).pipe(Effect.flatten)
      if (endpoint.state.isConnecting) return settledSoon
      pool.onConnecting(endpoint)
      return Effect.zipRight(
        Effect.forkIn(Effect.interruptible(detached(openConnection(endpoint))), scope),
        settledSoon
      )
    })
}
