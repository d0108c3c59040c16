/**
 * A namespace on NATS, as `routes`, `request` and `stream` see it: they take no part in it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Route } from "../../src/DiscoveryEntry.js"
import type { NatsFailed } from "../../src/IPCError.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as NatsDiscovery from "../nats/NatsDiscovery.js"
import * as NatsObserver from "../nats/NatsObserver.js"
import type { CommandFailed } from "./CommandFailed.js"
import { failure } from "./CommandFailed.js"
import { runtimeIdFor } from "./options.js"
import * as RouteListing from "./RouteListing.js"

export const observe = (
  where: { readonly servers: string; readonly namespace: string },
  command: string
): Effect.Effect<NatsObserver.NatsObserver, CommandFailed, Scope.Scope> =>
  NatsDiscovery.config.pipe(
    Effect.mapError((error) => failure(messageOf(error))),
    Effect.flatMap(({ credentials }) =>
      Effect.mapError(NatsObserver.make({ ...where, credentials, runtimeId: runtimeIdFor(command) }), explain)
    )
  )

/** All routes once it is known who is alive, and again after each change. */
export const snapshots = ({ known, routes, settled }: NatsObserver.NatsObserver): Stream.Stream<ReadonlyArray<Route>> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const changes = yield* Effect.acquireRelease(Queue.sliding<void>(1), Queue.shutdown)
      yield* Effect.acquireRelease(
        Effect.sync(() => known.subscribe(() => void changes.unsafeOffer(undefined))),
        (unsubscribe) => Effect.sync(unsubscribe)
      )
      yield* settled
      return Stream.make<[void]>(undefined).pipe(
        Stream.concat(Stream.fromQueue(changes)),
        Stream.mapEffect(() => routes),
        Stream.changesWith(RouteListing.sameRoutes)
      )
    })
  )

const explain = ({ detail, reason, servers }: NatsFailed): CommandFailed =>
  failure(`NATS at ${servers} can't be used: ${detail}. ${isMissing.test(detail) ? installing : hints[reason]}`)

const isMissing = /Cannot find (package|module)/
const installing = "Install @nats-io/transport-node, @nats-io/jetstream and @nats-io/kv."

const hints: Readonly<Record<NatsFailed["reason"], string>> = {
  Unreachable: "Is a server running, and is --nats right?",
  Refused: "Set NATS_USER and NATS_PASSWORD, NATS_TOKEN, NATS_NKEY_SEED or NATS_CREDS.",
  NoJetStream: "Start the server with JetStream (nats-server -js).",
  TooFewReplicas: "Has the cluster enough nodes?",
  InvalidOptions: "Check --nats and --namespace.",
  UnsuitableBucket: "Or stop all participants and delete the bucket: the next one to start makes it.",
  Unavailable: "Has the cluster a majority of its nodes? Try again."
}
