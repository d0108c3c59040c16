/**
 * `effect-ipc request` and `effect-ipc stream`: ask a service by its name.
 *
 * @internal
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Discovery } from "../../src/Discovery.js"
import { isEndpoint } from "../../src/DiscoveryEntry.js"
import * as DiscoveryMember from "../../src/discovery/DiscoveryMember.js"
import type { Registry } from "../../src/discovery/Registry.js"
import { followOnly } from "../../src/election/FollowOnly.js"
import type { IPCClient } from "../../src/IPCClient.js"
import { RequestFailed, type ServiceNotRegistered, type StreamError } from "../../src/IPCError.js"
import { isValidRequestName } from "../../src/IPCRequest.js"
import { IPCServer } from "../../src/IPCServer.js"
import { oneLine, quote } from "../../src/internal/Printable.js"
import * as ServiceClient from "../../src/ServiceClient.js"
import type { Service } from "../../src/Services.js"
import * as MemberServices from "../../src/service/MemberServices.js"
import { urlOf } from "../ipc/Address.js"
import * as LoopbackEndpoints from "../LoopbackEndpoints.js"
import * as NodeIPCClient from "../NodeIPCClient.js"
import * as ProcessMemory from "../ProcessMemory.js"
import { type CommandFailed, explain, failure } from "./CommandFailed.js"
import * as Nats from "./Nats.js"
import * as Output from "./Output.js"
import type { GatewayAddress, NatsAddress } from "./options.js"
import { gateway, nats, runtimeIdFor, timeout } from "./options.js"

const call = {
  address: gateway(1),
  nats,
  timeout,
  service: Args.text({ name: "service" }).pipe(Args.withDescription("The service's name.")),
  name: Args.text({ name: "name" }).pipe(
    Args.mapEffect((name) =>
      isValidRequestName(name)
        ? Effect.succeed(name)
        : Effect.fail(HelpDoc.p(`${quote(name)} can't be the name of a request or stream`))
    ),
    Args.withDescription("The name that it answers, such as users/get.")
  ),
  payload: Args.text({ name: "payload" }).pipe(
    Args.mapEffect((text) =>
      Effect.mapError(parseJson(text), () => HelpDoc.p(`The payload must be JSON, not ${quote(text)}`))
    ),
    Args.optional,
    Args.map(Option.getOrUndefined),
    Args.withDescription("JSON. Default none.")
  )
}

const parseJson = (text: string) => Effect.try((): unknown => JSON.parse(text))

export const request = Command.make("request", call, ({ name, payload, service, timeout, ...where }) =>
  Effect.gen(function* () {
    const client = yield* connect(where, service)
    const definition = IPCServer.defineRequest<unknown, unknown>(name)
    const response = yield* Effect.mapError(client.request(definition, payload, { timeout }), failed)
    // Nothing is what JSON has no word for.
    if (response !== undefined) yield* Output.print(quote(response))
  }).pipe(Effect.scoped)
).pipe(
  Command.withDescription("Sends a request to an instance of a service, and prints its response as JSON on one line.")
)

export const stream = Command.make("stream", call, ({ name, payload, service, timeout, ...where }) =>
  Effect.gen(function* () {
    const client = yield* connect(where, service)
    const definition = IPCServer.defineStream<unknown, unknown>(name)
    const printed = client.stream(definition, payload, { acceptTimeout: timeout }).pipe(
      Stream.mapError(failed),
      Stream.runForEach((element) => Output.print(quote(element)))
    )
    yield* Effect.raceFirst(printed, Output.closed)
  }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Opens a stream at an instance of a service, and prints each element as JSON on a line, until it ends or is stopped."
  )
)

/** With the tag of a failure, by which a program catches it. */
const failed = (error: StreamError | ServiceNotRegistered): CommandFailed => {
  if (error._tag !== "RequestFailed" || error.tag === undefined || error.error.startsWith(error.tag)) {
    return failure(error.message)
  }
  return failure(new RequestFailed({ ...error, error: `${error.tag}: ${error.error}` }).message)
}

/** Tells that the service isn't registered, where it still isn't after a second. */
const tellMissing = (discovery: Discovery.Service, service: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const apis = new Set((yield* discovery.routes).filter(isEndpoint).map(({ api }) => api))
    if (apis.has(service)) return
    const names = apis.size === 0 ? "none" : oneLine([...apis].sort().slice(0, maxNames).join(", "))
    yield* Effect.logInfo(`waiting for ${quote(service)} (registered by name: ${names})`)
  }).pipe(Effect.delay("1 second"), Effect.ignore)

const maxNames = 20

const connect = (
  { address, nats }: { readonly address: GatewayAddress; readonly nats: NatsAddress },
  service: string
): Effect.Effect<Service, CommandFailed, Scope.Scope> => {
  const { namespace, servers } = nats
  return servers === undefined
    ? connectLocally(address, service)
    : Effect.flatMap(Nats.observe({ namespace, servers }, "request"), ({ connect }) => connect(service, {}))
}

/** Follows the leader for its routes: it neither bids for the port nor registers anything. */
const connectLocally = (address: GatewayAddress, service: string): Effect.Effect<Service, CommandFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const runtimeId = runtimeIdFor("request")
    const { token, tokenScheme } = address
    const leader = yield* NodeIPCClient.make({ url: urlOf(address), token, tokenScheme, runtimeId, reconnect: false })
    const member = yield* DiscoveryMember.make({ runtimeId }, (setup) =>
      Effect.map(setup.onFollow(leader, { kind: "bin" }), followOnly<Registry, IPCClient.Service>)
    )
    const endpoints = LoopbackEndpoints.make(address)
    const discovery = yield* ProcessMemory.provide(MemberServices.provide(member, { endpoints, connection: {} }))
    yield* Effect.forkScoped(tellMissing(discovery, service))
    return yield* Effect.provideService(ServiceClient.make(service), Discovery, discovery)
  }).pipe(Effect.mapError(explain(address)))
