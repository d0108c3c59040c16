/**
 * What tools for NATS ask services: `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, of all, by name or by id (ADR-32 of NATS).
 *
 * @internal
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Handlers } from "../../src/connection/Handlers.js"
import type { ConnectedClient } from "../../src/IPCPeer.js"
import { version } from "../process/PackageVersion.js"

export interface ServiceDescription {
  readonly api: string
  readonly runtimeId: string
  /** Tells this instance from every other: a token of a subject. */
  readonly id: string
  /** Where clients ask for a connection. */
  readonly subject: string
  readonly handlers: Pick<Handlers<ConnectedClient>, "answering">
}

/** Answers until the scope closes. Where the account may not subscribe, nothing is answered, and nothing else changes. */
export const serve: (
  connection: NatsConnection,
  description: ServiceDescription
) => Effect.Effect<void, never, Scope.Scope> = Effect.fnUntraced(function* (connection, description) {
  const { api, handlers, id, runtimeId, subject } = description
  const started = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
  const own = version()
  const identity = {
    name: nameOf(api),
    id,
    // The library's: a service has none of its own.
    version: isSemVer.test(own) ? own : "0.0.0",
    metadata: { api, runtimeId }
  }

  const endpoints = () => {
    const { requests, streams } = handlers.answering()
    return [
      ...Array.from(requests, ({ durations, name }) => ({ ...statisticsOf(durations), name, kind: "request" })),
      ...Array.from(streams, ({ name, opened }) => ({
        ...statisticsOf({ calls: opened, failures: 0, lastError: "", seconds: 0 }),
        name,
        kind: "stream"
      }))
    ]
  }

  const answers = {
    PING: () => ({ type: "io.nats.micro.v1.ping_response", ...identity }),
    INFO: () => ({
      type: "io.nats.micro.v1.info_response",
      ...identity,
      description: `${api}, for clients of effect-ipc`,
      endpoints: endpoints().map(({ kind, name }) => ({ name, subject, queue_group: "", metadata: { kind } }))
    }),
    STATS: () => ({
      type: "io.nats.micro.v1.stats_response",
      ...identity,
      started: new Date(started).toISOString(),
      endpoints: endpoints().map(({ kind: _, ...statistics }) => ({ ...statistics, subject, queue_group: "" }))
    })
  }

  yield* Effect.acquireRelease(
    Effect.sync(() =>
      Object.entries(answers).flatMap(([verb, answer]) =>
        [`$SRV.${verb}`, `$SRV.${verb}.${identity.name}`, `$SRV.${verb}.${identity.name}.${id}`].map((asked) =>
          connection.subscribe(asked, {
            callback: (error, message: Msg) => {
              if (error !== null || connection.isClosed()) return
              const fitting = fittingText(answer(), connection.info?.max_payload ?? Number.POSITIVE_INFINITY)
              if (fitting !== undefined) message.respond(fitting)
            }
          })
        )
      )
    ),
    (subscriptions) =>
      Effect.sync(() => {
        for (const subscription of subscriptions) subscription.unsubscribe()
      })
  )
})

/** The answer as JSON, with as many of its endpoints as have room in one message; undefined where it has no room without any. */
const fittingText = (
  answer: { readonly type: string; readonly endpoints?: ReadonlyArray<unknown> },
  maxBytes: number
): string | undefined => {
  const text = JSON.stringify(answer)
  if (Buffer.byteLength(text) <= maxBytes) return text
  const { endpoints = [] } = answer
  if (endpoints.length === 0) return undefined
  return fittingText({ ...answer, endpoints: endpoints.slice(0, Math.floor(endpoints.length / 2)) }, maxBytes)
}

/** A service's name there has fewer characters than an api's; `metadata` has the api. */
const nameOf = (api: string): string => api.replaceAll(/[^A-Za-z0-9_-]/g, "_") || "_"

const isSemVer = /^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/

interface Calls {
  readonly calls: number
  readonly failures: number
  readonly seconds: number
  readonly lastError: string
}

const statisticsOf = ({ calls, failures, lastError, seconds }: Calls) => {
  const nanoseconds = Math.round(seconds * 1e9)
  return {
    num_requests: calls,
    num_errors: failures,
    last_error: lastError,
    processing_time: nanoseconds,
    average_processing_time: calls === 0 ? 0 : Math.floor(nanoseconds / calls)
  }
}
