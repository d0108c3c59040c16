/**
 * No election: this process follows the leader of one connection until that ends, and never bids.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Role } from "../LeaderElection.js"
import type { Election } from "./Terms.js"

export const followOnly = <Leader, Follower>(follower: Follower): Election<Leader, Follower> => ({
  settledTerm: (before) =>
    before === undefined ? Effect.succeedSome({ role: "follower", follower }) : Effect.succeedNone,
  role: Effect.succeed("follower"),
  roles: Stream.make<[Role]>("follower"),
  whileLeader: () => Effect.never,
  term: Effect.succeedNone
})
