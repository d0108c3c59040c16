/**
 * Logs the state of the connection to NATS: when it breaks, when it is back, and what the server refuses, which the NATS client
 * reports nowhere else.
 *
 * @internal
 */
import type { NatsConnection, Status } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import { messageOf } from "../../src/internal/ErrorMessage.js"

export interface NatsLogOptions {
  readonly servers: string
  /** Why the server may have refused the credentials. */
  readonly refusal: Effect.Effect<string | undefined>
  readonly onConnected: (isConnected: boolean) => void
}

/** How many different refusals are logged for one connection, since each may name another subject. */
const maxRefusals = 10

/** Runs until the connection closes. */
export const keep = (connection: NatsConnection, options: NatsLogOptions): Effect.Effect<void> => {
  const { onConnected, refusal, servers } = options
  const refusals = new Set<string>()

  const onRefused = (error: unknown): Effect.Effect<void> => {
    const detail = messageOf(error)
    if (!isRefusal.test(detail) || isOptional.test(detail)) return Effect.void
    if (refusals.has(detail) || refusals.size >= maxRefusals) return Effect.void
    refusals.add(detail)
    return Effect.flatMap(/permission/i.test(detail) ? Effect.succeed(undefined) : refusal, (reason) =>
      Effect.logWarning(`NATS at ${servers}: ${reason === undefined ? detail : `${detail}: ${reason}`}`)
    )
  }

  const tell = (status: Status): Effect.Effect<void> => {
    switch (status.type) {
      case "disconnect":
        onConnected(false)
        refusals.clear()
        return Effect.logWarning(`The connection to NATS at ${servers} broke; reconnecting`)
      case "reconnect":
        onConnected(true)
        return Effect.logInfo(`Connected to NATS at ${servers} again`)
      case "error":
        return onRefused(status.error)
      default:
        return Effect.void
    }
  }

  // Not `Stream.fromAsyncIterable`: when interrupted, it would wait for the next status.
  const statuses = connection.status()[Symbol.asyncIterator]()
  const keepTelling: Effect.Effect<void> = Effect.flatMap(
    Effect.promise(() => statuses.next()),
    (next) => (next.done === true ? Effect.void : Effect.zipRight(tell(next.value), keepTelling))
  )
  return keepTelling
}

const isRefusal = /permissions|authorization|authentication/i

/** Answering the tools that look for services is optional, so its refusal isn't logged. */
const isOptional = /subscription to "\$SRV\./i
