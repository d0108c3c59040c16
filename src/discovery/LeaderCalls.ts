/**
 * Calls to whichever participant leads: here while this process leads, by a request while it follows.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CloseCode } from "../CloseEvent.js"
import { defaultRequestTimeoutMillis, timeoutMillis } from "../connection/IPCSocketOptions.js"
import type { Election, SettledTerm } from "../election/Election.js"
import type { IPCClient } from "../IPCClient.js"
import type { RequestError } from "../IPCError.js"
import { ConnectionClosed, RequestTimeout } from "../IPCError.js"
import type { RequestOptions } from "../IPCRequest.js"
import type { Registry } from "./Registry.js"

/** Asks the leader, and the next one when that one ends before it answers. */
export type AskLeader = <A, E>(
  request: string,
  requestOptions: RequestOptions | undefined,
  asLeader: (registry: Registry) => Effect.Effect<A, E>,
  asFollower: (client: IPCClient.Service, within: RequestOptions) => Effect.Effect<A, E | RequestError>
) => Effect.Effect<A, E | RequestError>

/** `whyNone` says why there is no leader, where a call has waited for one in vain. */
export const make =
  (election: Election<Registry, IPCClient.Service>, whyNone: () => string): AskLeader =>
  <A, E>(
    request: string,
    requestOptions: RequestOptions | undefined,
    asLeader: (registry: Registry) => Effect.Effect<A, E>,
    asFollower: (client: IPCClient.Service, within: RequestOptions) => Effect.Effect<A, E | RequestError>
  ): Effect.Effect<A, E | RequestError> => {
    const millis = timeoutMillis(requestOptions, defaultRequestTimeoutMillis)
    /** Whether the leader of the latest term was found. */
    let isAsked = false
    const ask = (before?: SettledTerm<Registry, IPCClient.Service>): Effect.Effect<A, E | RequestError> =>
      Effect.suspend(() => {
        isAsked = false
        return Effect.flatMap(election.settledTerm(before), (found) => {
          if (Option.isNone(found)) return Effect.fail(hasLeft(request))
          const term = found.value
          isAsked = true
          if (term.role === "leader") return asLeader(term.leader)
          return Effect.catchAll(asFollower(term.follower, { timeout: millis }), (error) =>
            error instanceof ConnectionClosed ? ask(term) : Effect.fail(error)
          )
        })
      })
    return Effect.timeoutFail(ask(), {
      duration: millis,
      onTimeout: () =>
        new RequestTimeout({
          request,
          target: "the leader",
          millis,
          ...(isAsked ? {} : { unsent: whyNone() })
        })
    })
  }

const hasLeft = (request: string): ConnectionClosed =>
  new ConnectionClosed({ request, target: "the leader", code: CloseCode.Normal, reason: "this participant has left" })
