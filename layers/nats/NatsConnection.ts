/**
 * One connection to NATS, kept until the scope closes: the client reconnects by itself, to any of the servers.
 *
 * @internal
 */
import type { NatsConnection } from "@nats-io/transport-node"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { NatsFailed } from "../../src/IPCError.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as MaxPayload from "./MaxPayload.js"
import * as NatsAuthentication from "./NatsAuthentication.js"
import * as NatsLog from "./NatsLog.js"
import type { NatsConnectionOptions } from "./NatsOptions.js"
import * as NatsServers from "./NatsServers.js"

/** In milliseconds. */
const defaultPingInterval = 2000

/**
 * Closing the scope drains the connection: what was sent leaves first. A server that answers no ping for three of the
 * intervals, in milliseconds, is left for another.
 */
export const make: (
  options: NatsConnectionOptions,
  name: string,
  pingInterval?: number
) => Effect.Effect<NatsConnection, NatsFailed, Scope.Scope> = Effect.fnUntraced(function* (
  options,
  name,
  pingInterval = defaultPingInterval
) {
  const servers = NatsServers.serversOf(options)
  const named = NatsServers.named(options)
  const failed = (reason: NatsFailed["reason"], detail: string) => new NatsFailed({ reason, servers: named, detail })
  const invalid = (issue: string) => failed("InvalidOptions", issue)
  const issue = NatsServers.issueOf(options)
  if (issue !== undefined) return yield* invalid(issue)
  const client = yield* Effect.tryPromise({
    try: () => import("@nats-io/transport-node"),
    catch: (error) => failed("Unreachable", messageOf(error))
  })
  const authentication = yield* Effect.mapError(NatsAuthentication.make(client, options), invalid)
  const connect = Effect.tryPromise(() =>
    client.connect({
      servers: [...servers],
      name,
      timeout: Math.min(Duration.toMillis(options.connectTimeout ?? "5 seconds"), maxTimeout),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 100,
      pingInterval,
      maxPingOut: 2,
      ignoreAuthErrorAbort: true,
      ...authentication.options
    })
  ).pipe(
    Effect.catchAll(({ error }) => {
      const detail = messageOf(error)
      const reason = reasonOf(`${error} ${detail}`)
      return Effect.flatMap(reason === "Refused" ? authentication.refusal : Effect.succeed(undefined), (refusal) =>
        failed(reason, refusal === undefined ? detail : `${detail}: ${refusal}`)
      )
    })
  )
  let isConnected = true
  const connection = yield* Effect.acquireRelease(connect, (opened) =>
    // Draining waits for a server, so it is no use while there is none.
    Effect.tryPromise(() => opened.drain()).pipe(
      Effect.when(() => isConnected && !opened.isClosed()),
      Effect.interruptible,
      Effect.timeout(drainPatience),
      Effect.ignore,
      Effect.zipRight(Effect.ignore(Effect.tryPromise(() => opened.close())))
    )
  )
  const tooSmall = MaxPayload.issueOf(connection)
  if (tooSmall !== undefined) return yield* invalid(tooSmall)
  const onConnected = (is: boolean): void => {
    isConnected = is
  }
  const log = NatsLog.keep(connection, { servers: named, refusal: authentication.refusal, onConnected })
  yield* Effect.forkScoped(Effect.interruptible(log))
  return connection
})

/** How long what was sent before may take to leave, once the connection is to be closed. */
const drainPatience = Duration.seconds(2)

/** The longest time that a timer of Node can have, in milliseconds. */
const maxTimeout = 2 ** 31 - 1

const reasonOf = (error: string): NatsFailed["reason"] =>
  /does not support 'tls'/.test(error)
    ? "InvalidOptions"
    : /authorization|authentication|permissions|certificate|tls/i.test(error)
      ? "Refused"
      : "Unreachable"
