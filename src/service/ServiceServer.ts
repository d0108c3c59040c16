/**
 * A service at an endpoint of its own: registered once its handlers are set up, withdrawn before they are removed.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { validateEndpoint } from "../DiscoveryEntry.js"
import type { Member } from "../discovery/Member.js"
import { boundedRelease } from "../internal/BoundedRelease.js"
import type { Services } from "../Services.js"
import type { Listening, ServiceEndpoints } from "./ServiceEndpoints.js"
import * as Protocol from "./ServiceProtocol.js"

export interface ServiceServerContext extends Pick<Member, "registerEndpoint"> {
  readonly endpoints: ServiceEndpoints
}

export const serve = ({ endpoints, registerEndpoint }: ServiceServerContext): Services["serve"] =>
  Effect.fnUntraced(function* (api, setup, options) {
    const listening = yield* endpoints.listen(setup, { ...options, api })
    yield* Effect.addFinalizer(() => withdraw(listening, Duration.decode(options.drainTimeout ?? "3 seconds")))
    yield* registerEndpoint(yield* validateEndpoint({ kind: "ipc", api, baseUrl: listening.address, pathPrefix: "" }))
  })

/**
 * A client may not know yet that the entry was removed, so each is told on its connection, and disconnects once it has all
 * responses. One that connects meanwhile is told as well.
 */
const withdraw = ({ peer, release, withoutClients }: Listening, drainTimeout: Duration.Duration) => {
  const tell = Effect.ignore(peer.broadcast(Protocol.Withdrawing))
  const tellEach = Stream.runForEach(peer.connections, ({ _tag }) => (_tag === "Connected" ? tell : Effect.void))
  const drained = Effect.raceFirst(Effect.zipRight(tellEach, Effect.never), Effect.zipRight(tell, withoutClients))
  return Effect.zipRight(boundedRelease(drained, drainTimeout), release)
}
