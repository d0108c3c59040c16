/**
 * The server's protocol of `@effect/rpc` on a service: an `RpcGroup` answers at each instance.
 *
 * @since 0.2.0
 */
import type { FromServerEncoded } from "@effect/rpc/RpcMessage"
import * as RpcServer from "@effect/rpc/RpcServer"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Discovery } from "../../src/Discovery.js"
import * as ServiceServer from "../../src/ServiceServer.js"
import * as ConfigOptions from "../ipc/ConfigOptions.js"
import { isLast, RpcExchange } from "./RpcExchange.js"

/** How many responses of one request may wait to be sent. A slow consumer is already protected by acknowledgements. */
const responsesWaiting = 16

/**
 * Serves the api until the scope closes. Requests that arrive before an `RpcServer` runs on the protocol wait for it.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (
  api: string,
  options?: ServiceServer.ServiceServerOptions
): Effect.Effect<RpcServer.Protocol["Type"], ServiceServer.ServiceServerError, Discovery | Scope.Scope> =>
  RpcServer.Protocol.make(
    Effect.fnUntraced(function* (writeRequest) {
      const disconnects = yield* Mailbox.make<number>()
      /** Each request counts as one client, which is removed when the stream of the request ends. */
      const clients = new Map<number, Mailbox.Mailbox<FromServerEncoded>>()
      let latest = 0

      const connect = Effect.acquireRelease(
        Effect.map(Mailbox.make<FromServerEncoded>(responsesWaiting), (responses) => {
          clients.set(++latest, responses)
          return { clientId: latest, responses }
        }),
        ({ clientId, responses }) =>
          Effect.zipRight(
            Effect.sync(() => {
              clients.delete(clientId)
              disconnects.unsafeOffer(clientId)
            }),
            responses.shutdown
          )
      )

      yield* ServiceServer.make(
        api,
        (server) =>
          server.handleStream(RpcExchange, (request, acknowledgements) =>
            Stream.unwrapScoped(
              Effect.gen(function* () {
                const { clientId, responses } = yield* connect
                yield* Effect.forkScoped(writeRequest(clientId, request))
                yield* Effect.forkScoped(Stream.runForEach(acknowledgements, (ack) => writeRequest(clientId, ack)))
                return Stream.takeUntil(Mailbox.toStream(responses), isLast)
              })
            )
          ),
        options
      )

      return {
        disconnects,
        send: (clientId, response) => {
          const responses = clients.get(clientId)
          return responses === undefined ? Effect.void : Effect.asVoid(responses.offer(response))
        },
        end: (clientId) => Effect.asVoid(clients.get(clientId)?.end ?? Effect.void),
        clientIds: Effect.sync(() => new Set(clients.keys())),
        initialMessage: Effect.succeedNone,
        supportsAck: true,
        supportsTransferables: false,
        supportsSpanPropagation: true
      }
    })
  )

/**
 * As {@link make}.
 *
 * @example
 * ```ts
 * import { ServiceRpcServer } from "effect-ipc/rpc"
 * import { LocalDiscovery } from "effect-ipc/node"
 * import { Rpc, RpcGroup, RpcServer } from "@effect/rpc"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Users = RpcGroup.make(Rpc.make("get", { payload: { id: Schema.Number }, success: Schema.String }))
 *
 * export const main = RpcServer.layer(Users).pipe(
 *   Layer.provide(Users.toLayer({ get: ({ id }) => Effect.succeed(`user ${id}`) })),
 *   Layer.provide(ServiceRpcServer.layer("users")),
 *   Layer.provide(LocalDiscovery.layer({ port: 9000 })),
 *   Layer.launch
 * )
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (
  api: string,
  options?: ServiceServer.ServiceServerOptions
): Layer.Layer<RpcServer.Protocol, ServiceServer.ServiceServerError, Discovery> =>
  Layer.scoped(RpcServer.Protocol, make(api, options))

/**
 * As {@link layer}, with the options as Config gives them.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  api: string,
  options: ConfigOptions.ConfigOptions<ServiceServer.ServiceServerOptions> = {}
): Layer.Layer<RpcServer.Protocol, ServiceServer.ServiceServerError | ConfigError, Discovery> =>
  Layer.scoped(
    RpcServer.Protocol,
    Effect.flatMap(ConfigOptions.given(options), (given) => make(api, given))
  )
