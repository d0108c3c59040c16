/**
 * The client's protocol of `@effect/rpc` on a service: each request of an `RpcGroup` goes to an instance by its name.
 *
 * @since 0.2.0
 */
import * as RpcClient from "@effect/rpc/RpcClient"
import { RpcClientError } from "@effect/rpc/RpcClientError"
import type { AckEncoded, FromServerEncoded, RequestEncoded } from "@effect/rpc/RpcMessage"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Discovery } from "../../src/Discovery.js"
import * as ServiceClient from "../../src/ServiceClient.js"
import * as ConfigOptions from "../ipc/ConfigOptions.js"
import { isLast, RpcExchange } from "./RpcExchange.js"

/**
 * Sends requests to the instances of an api until the scope closes. Acknowledgements and interruptions go to the instance
 * that handles the request. When the connection to an instance ends, the requests in flight there fail at once with
 * `RpcClientError`. A request with `discard` completes when its handler does, as over HTTP.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (
  api: string,
  options?: ServiceClient.ServiceClientOptions
): Effect.Effect<RpcClient.Protocol["Type"], never, Discovery | Scope.Scope> =>
  RpcClient.Protocol.make(
    Effect.fnUntraced(function* (writeResponse) {
      const client = yield* ServiceClient.make(api, options)
      /** By the id of the request, while it is in flight. */
      const acknowledgements = new Map<string, Mailbox.Mailbox<AckEncoded>>()

      const exchange = (request: RequestEncoded, acks: Mailbox.Mailbox<AckEncoded>) => {
        let isAnswered = false
        return client.stream(RpcExchange, request, Mailbox.toStream(acks)).pipe(
          Stream.runForEach((response) => {
            isAnswered ||= isLast(response)
            return writeResponse(toRequest(request.id, response))
          }),
          Effect.mapError((cause) => new RpcClientError({ reason: "Protocol", message: cause.message, cause })),
          Effect.zipRight(Effect.suspend(() => (isAnswered ? Effect.void : unanswered(api))))
        )
      }

      const send = (request: RequestEncoded): Effect.Effect<void, RpcClientError> =>
        Effect.acquireUseRelease(
          Effect.tap(Mailbox.make<AckEncoded>(), (acks) => {
            acknowledgements.set(request.id, acks)
          }),
          (acks) => exchange(request, acks),
          (acks) => {
            acknowledgements.delete(request.id)
            return acks.shutdown
          }
        )

      return {
        send: (message) => {
          if (message._tag === "Request") return send(message)
          // An interruption needs no message: it also interrupts `send`, and with it the stream of the request.
          if (message._tag !== "Ack") return Effect.void
          return Effect.asVoid(acknowledgements.get(message.requestId)?.offer(message) ?? Effect.void)
        },
        supportsAck: true,
        supportsTransferables: false
      }
    })
  )

/** Makes a defect the failure of its own request, since `@effect/rpc` would end every request of this client. */
const toRequest = (requestId: string, response: FromServerEncoded): FromServerEncoded =>
  response._tag === "Defect"
    ? { _tag: "Exit", requestId, exit: { _tag: "Failure", cause: { _tag: "Die", defect: response.defect } } }
    : response

const unanswered = (api: string) =>
  new RpcClientError({ reason: "Protocol", message: `${api} ended the request without a response` })

/**
 * As {@link make}.
 *
 * @example
 * ```ts
 * import { ServiceRpcClient } from "effect-ipc/rpc"
 * import { LocalDiscovery } from "effect-ipc/node"
 * import { Rpc, RpcClient, RpcGroup } from "@effect/rpc"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Users = RpcGroup.make(Rpc.make("get", { payload: { id: Schema.Number }, success: Schema.String }))
 *
 * const program = Effect.gen(function* () {
 *   const users = yield* RpcClient.make(Users)
 *   yield* Effect.log(yield* users.get({ id: 1 }))
 * })
 *
 * export const main = program.pipe(
 *   Effect.scoped,
 *   Effect.provide(Layer.provide(ServiceRpcClient.layer("users"), LocalDiscovery.layer({ port: 9000 })))
 * )
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (
  api: string,
  options?: ServiceClient.ServiceClientOptions
): Layer.Layer<RpcClient.Protocol, never, Discovery> => Layer.scoped(RpcClient.Protocol, make(api, options))

/**
 * As {@link layer}, with the options as Config gives them.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  api: string,
  options: ConfigOptions.ConfigOptions<ServiceClient.ServiceClientOptions> = {}
): Layer.Layer<RpcClient.Protocol, ConfigError, Discovery> =>
  Layer.scoped(
    RpcClient.Protocol,
    Effect.flatMap(ConfigOptions.given(options), (given) => make(api, given))
  )
