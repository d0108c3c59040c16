/**
 * Endpoints of services on NATS: a client asks at the endpoint's subject for a connection, and each end tells the other the
 * name of its inbox.
 *
 * @internal
 */
import { randomUUID } from "node:crypto"
import type { Msg, NatsConnection } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { CloseCode } from "../../src/CloseEvent.js"
import * as ClientConnections from "../../src/connection/ClientConnections.js"
import type { IPCSocketOptions } from "../../src/connection/IPCSocketOptions.js"
import { ConnectFailed } from "../../src/IPCError.js"
import type { ServiceEndpoints } from "../../src/service/ServiceEndpoints.js"
import * as Credentials from "../ipc/Credentials.js"
import * as NatsServiceApi from "./NatsServiceApi.js"
import { NatsTransport } from "./NatsTransport.js"

/** The name of an inbox or an endpoint: nothing that a subject gives a meaning. */
const Name = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9-]{16,64}$/))

const Opening = Schema.parseJson(
  Schema.Struct({ inbox: Name, runtimeId: Schema.String.pipe(Schema.filter(Credentials.isValidRuntimeId)) })
)
const Opened = Schema.parseJson(
  Schema.Union(Schema.Struct({ inbox: Name }), Schema.Struct({ refused: Schema.String.pipe(Schema.maxLength(200)) }))
)

/** How many clients an endpoint takes: each costs a subscription. */
const maxClients = 4096

/** How many messages are kept for a connection that isn't open yet. Of more, the connection notices the gap. */
const maxEarly = 16

const defaultMaxFrameBytes = 16 * 1024 * 1024

export const make: (
  connection: NatsConnection,
  participant: { readonly namespace: string; readonly runtimeId: string },
  options: IPCSocketOptions
) => Effect.Effect<ServiceEndpoints, never, Scope.Scope> = Effect.fnUntraced(
  function* (connection, participant, options) {
    const prefix = `effect-ipc.${participant.namespace}`
    const { headers } = yield* Effect.promise(() => import("@nats-io/transport-node"))
    const open = new Set<NatsTransport>()
    const { maxFrameBytes = defaultMaxFrameBytes } = options

    const endAll = (reason: string): void => {
      for (const transport of open) transport.end({ code: CloseCode.Abnormal, reason })
    }

    // What was under way when the connection to NATS broke may be lost, and nothing would tell.
    yield* Effect.forkScoped(
      Effect.interruptible(
        Effect.promise(async () => {
          for await (const { type } of connection.status()) {
            if (type === "disconnect") endAll("the connection to NATS broke")
          }
          endAll("the connection to NATS closed")
        })
      )
    )

    /** Makes the inbox first, so that nothing which the peer sends is before it. */
    const prepared = () => {
      const name = randomUUID()
      let transport: NatsTransport | undefined
      /** The peer's hello may be there before its answer has been read. */
      const early: Array<Uint8Array> = []
      const inbox = connection.subscribe(`${prefix}.to.${name}`, {
        callback: (error, message) => {
          if (error !== null) return
          if (transport !== undefined) transport.take(message.data)
          else if (early.length < maxEarly) early.push(message.data)
        }
      })
      return {
        name,
        cancel: () => inbox.unsubscribe(),
        connectTo: (peer: string): NatsTransport => {
          const connected = new NatsTransport(connection, headers, inbox, `${prefix}.to.${peer}`, maxFrameBytes)
          transport = connected
          open.add(connected)
          connected.onceEnded(() => open.delete(connected))
          for (const message of early) connected.take(message)
          return connected
        }
      }
    }

    const endpoints: ServiceEndpoints = {
      where: "in this namespace",
      listen: (prepare, { api, requestTimeout }) =>
        Effect.gen(function* () {
          const clients = yield* ClientConnections.make({ ...options, requestTimeout })
          const peer = ClientConnections.toPeer(clients)
          yield* prepare(peer)
          const name = randomUUID()
          let count = 0
          const accept = (message: Msg): void => {
            const opening = decodeOpening(message.string())
            if (connection.isClosed()) return
            const refuse = (refused: string) => void message.respond(JSON.stringify({ refused }))
            if (Either.isLeft(opening)) return refuse("its opening isn't one of this version")
            if (count >= maxClients) return refuse(`it has ${maxClients} clients, and takes no more`)
            const { inbox, runtimeId } = opening.right
            const own = prepared()
            message.respond(JSON.stringify({ inbox: own.name }))
            count++
            const transport = own.connectTo(inbox)
            transport.onceEnded(() => count--)
            clients.accept(transport, runtimeId)
          }
          const listening = yield* Effect.acquireRelease(
            Effect.sync(() =>
              connection.subscribe(`${prefix}.at.${name}`, {
                callback: (error, message) => {
                  if (error === null) accept(message)
                }
              })
            ),
            (subscription) => Effect.sync(() => subscription.unsubscribe())
          )
          yield* NatsServiceApi.serve(connection, {
            api,
            runtimeId: participant.runtimeId,
            id: name,
            subject: `${prefix}.at.${name}`,
            handlers: clients.handlers
          })
          const release = Effect.zipRight(
            Effect.sync(() => listening.unsubscribe()),
            clients.startClosing
          )
          return { peer, address: `http://nats/${name}`, release, withoutClients: clients.withoutClients }
        }),
      connect: (address, runtimeId) => (onOpen) =>
        Effect.gen(function* () {
          const name = decodeName(new URL(address).pathname.slice(1))
          if (Either.isLeft(name)) return yield* failed(address, "Rejected", "it is no endpoint on NATS")
          const own = prepared()
          const asked = Effect.tryPromise({
            try: () =>
              connection.request(`${prefix}.at.${name.right}`, JSON.stringify({ inbox: own.name, runtimeId }), {
                timeout: connectPatience
              }),
            catch: (error) =>
              /no responders/i.test(String(error))
                ? failed(address, "Refused", "nothing listens there")
                : failed(address, "TimedOut", String(error))
          })
          const message = yield* Effect.onError(asked, () => Effect.sync(own.cancel))
          const opened = decodeOpened(message.string())
          if (Either.isLeft(opened)) {
            own.cancel()
            return yield* failed(address, "Rejected", "it is no endpoint of this version")
          }
          if ("refused" in opened.right) {
            own.cancel()
            return yield* failed(address, "Rejected", opened.right.refused)
          }
          return onOpen(own.connectTo(opened.right.inbox))
        })
    }
    return endpoints
  }
)

/** How long an endpoint may take to answer, in milliseconds; the client has a limit of its own. */
const connectPatience = 10_000

const failed = (url: string, reason: ConnectFailed["reason"], detail: string): ConnectFailed =>
  new ConnectFailed({ url, reason, detail })

const decodeName = Schema.decodeUnknownEither(Name)
const decodeOpening = Schema.decodeUnknownEither(Opening)
const decodeOpened = Schema.decodeUnknownEither(Opened)
