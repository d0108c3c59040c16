/**
 * Changes of the source that are known to be wrong, for the simulation to find.
 */

import type { Violation } from "./Run.js"

export interface Defect {
  readonly election: "port" | "kv"
  readonly file: string
  /** What is in the file, once. */
  readonly original: string
  readonly changed: string
  /** A seed under which it shows, of the first thousand, and the invariant that it violates. */
  readonly seed: number
  readonly violates: Violation["invariant"]
}

export const defects: Readonly<Record<string, Defect>> = {
  "port: the leader doesn't stop itself": {
    election: "port",
    file: "src/election/Election.ts",
    original: "yield* release\n      yield* leave\n",
    changed: "yield* release\n",
    seed: 5,
    violates: "one leader"
  },
  "port: an owner's entries outlive its connection": {
    election: "port",
    file: "src/discovery/Registry.ts",
    original: "for (const change of table.removeOwner(owner)) removed.push(change)",
    changed: "",
    seed: 1,
    violates: "routes"
  },
  "kv: the leader doesn't stop itself": {
    election: "kv",
    file: "src/lease/LeaseElection.ts",
    original: "yield* Effect.raceFirst(keepRenewing, untilTheEnd)",
    changed: "yield* keepRenewing",
    seed: 1,
    violates: "one leader"
  },
  "kv: a takeover by TTL alone": {
    election: "kv",
    file: "src/lease/LeaseElection.ts",
    original: "if (isMissing(view.get(leaderKey))) return yield* announceVacancy\n",
    changed: "",
    seed: 9,
    violates: "one leader"
  },
  "kv: a follower waits for its own lease alone": {
    election: "kv",
    file: "src/lease/LeaseElection.ts",
    original: "return Math.max(lease, told)",
    changed: "return lease",
    seed: 15,
    violates: "one leader"
  },
  "kv: an owner's entries outlive its connection": {
    election: "kv",
    file: "src/lease/Records.ts",
    original: "routes.abandonSilent(({ name }) => (name === runtimeId ? undefined : silentFor(name)), maxInterval)",
    changed: "",
    seed: 1,
    violates: "routes"
  }
}
