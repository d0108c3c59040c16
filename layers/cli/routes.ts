/**
 * `effect-ipc routes`: lists what is registered, once or continuously.
 *
 * @internal
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Route } from "../../src/DiscoveryEntry.js"
import * as Protocol from "../../src/discovery/DiscoveryProtocol.js"
import * as LeaderRoutes from "../../src/discovery/LeaderRoutes.js"
import * as GatewayProtocol from "../../src/election/GatewayProtocol.js"
import type { IPCClient } from "../../src/IPCClient.js"
import type { RequestError } from "../../src/IPCError.js"
import { quote } from "../../src/internal/Printable.js"
import { urlOf } from "../ipc/Address.js"
import * as NodeIPCClient from "../NodeIPCClient.js"
import { type CommandFailed, explain } from "./CommandFailed.js"
import * as Nats from "./Nats.js"
import * as Output from "./Output.js"
import type { GatewayAddress } from "./options.js"
import { gateway, nats, runtimeIdFor } from "./options.js"
import * as RouteListing from "./RouteListing.js"

/** Only watches: it neither bids for the port nor registers anything. */
export const routes = Command.make(
  "routes",
  {
    address: gateway(1),
    nats,
    watch: Options.boolean("watch").pipe(
      Options.withDescription("Print every change, too, until stopped by SIGINT or SIGTERM.")
    ),
    json: Options.boolean("json").pipe(
      Options.withDescription(
        "Print all routes as a JSON array on one line, and another such line after each change with --watch."
      )
    )
  },
  ({ address, json, nats: { namespace, servers }, watch }) =>
    Effect.gen(function* () {
      if (servers !== undefined) {
        const observer = yield* Nats.observe({ namespace, servers }, "routes")
        const seen = Nats.snapshots(observer)
        const show = json ? showJson : showText(`namespace ${namespace}`, false)
        return yield* Effect.raceFirst(Stream.runForEach(watch ? seen : Stream.take(seen, 1), show), Output.closed)
      }
      const client = yield* connect(address, watch)
      const show = json ? showJson : showText(urlOf(address))
      if (!watch) return yield* Effect.flatMap(LeaderRoutes.fetch(client, maxRoutes), show)
      const watched = yield* snapshots(client, address)
      yield* Effect.raceFirst(Stream.runForEach(watched, show), Output.closed)
    }).pipe(Effect.scoped, Effect.mapError(explain(address)))
).pipe(Command.withDescription("Lists the registered services as a table, or as JSON."))

/** More than any registry has. */
const maxRoutes = 1_000_000

type Show = (routes: ReadonlyArray<Route>) => Effect.Effect<void, CommandFailed>

const showJson: Show = (routes) => Output.print(quote(routes))

/** A table first, then a line for each route that was added or removed. */
const showText = (where: string, hasAges = true): Show => {
  let shown: ReadonlyArray<Route> | undefined
  return (routes) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const before = shown
      shown = routes
      return Output.print(
        before === undefined
          ? RouteListing.table(routes, where, hasAges ? now : undefined)
          : RouteListing.changes(before, routes, now)
      )
    })
}

const connect = (address: GatewayAddress, reconnects: boolean) =>
  NodeIPCClient.make({
    url: urlOf(address),
    token: address.token,
    tokenScheme: address.tokenScheme,
    runtimeId: runtimeIdFor("routes"),
    reconnect: reconnects ? undefined : false
  })

/**
 * All routes now, and again after each change and with each new leader. Any change only leads to another question, so its
 * order among the answers doesn't matter.
 */
const snapshots: (
  client: IPCClient.Service,
  address: GatewayAddress
) => Effect.Effect<Stream.Stream<ReadonlyArray<Route>, RequestError>, never, Scope.Scope> = Effect.fnUntraced(
  function* (client, address) {
    const changes = yield* Queue.sliding<void>(1)
    const notify = Effect.asVoid(Queue.offer(changes, undefined))
    yield* client.handle(Protocol.Changed, () => notify)
    // A leader that steps down notifies its followers; here the end of the connection is enough.
    yield* client.handle(GatewayProtocol.SteppingDown, () => Effect.void)
    yield* client.status.pipe(
      Stream.filter((status) => status === "connected"),
      Stream.drop(1),
      // The client has logged that the connection was lost.
      Stream.runForEach(() => Effect.zipRight(Effect.logInfo(`connected to ${urlOf(address)} again`), notify)),
      Effect.forkScoped
    )
    const ask = Effect.map(LeaderRoutes.fetchWatched(client, maxRoutes), ({ routes }) => [routes])
    // A question that the end of a leader cut off is asked again when the next one leads.
    const askAgain = Effect.catchTags(ask, {
      ConnectionClosed: () => Effect.succeed([]),
      RequestTimeout: () => Effect.succeed([])
    })
    return Stream.fromEffect(ask).pipe(
      Stream.concat(Stream.mapEffect(Stream.fromQueue(changes), () => askAgain)),
      Stream.flattenIterables,
      Stream.changesWith(RouteListing.sameRoutes)
    )
  }
)
