/**
 * What is simulated, seed by seed.
 */
import type { Network } from "./Network.js"
import * as PortGroup from "./PortGroup.js"
import type { Group, Violation } from "./Run.js"
import { run } from "./Run.js"
import { generate } from "./Schedule.js"
import { World } from "./World.js"

/** By what they elect. */
export const groups: Readonly<Record<string, (network: Network) => Group>> = { port: PortGroup.make }

export const groupOf = (election: string): ((network: Network) => Group) => {
  const group = groups[election]
  if (group === undefined) throw new Error(`There is no election by ${election}; there are ${Object.keys(groups)}.`)
  return group
}

export const runSeed = (election: string, seed: number): Promise<Violation | undefined> =>
  run(seed, generate(new World(seed)), groupOf(election))
