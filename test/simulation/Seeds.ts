/**
 * What is simulated, seed by seed.
 */
import * as KvGroup from "./KvGroup.js"
import type { Network } from "./Network.js"
import * as PortGroup from "./PortGroup.js"
import type { Group, Violation } from "./Run.js"
import { run } from "./Run.js"
import { generate, type Schedule } from "./Schedule.js"
import { World } from "./World.js"

/** By what they elect. */
export const groups: Readonly<Record<string, (network: Network) => Group>> = {
  port: PortGroup.make,
  kv: KvGroup.make
}

export const groupOf = (election: string): ((network: Network) => Group) => {
  const group = groups[election]
  if (group === undefined) throw new Error(`There is no election by ${election}; there are ${Object.keys(groups)}.`)
  return group
}

export const scheduleOf = (election: string, seed: number): Schedule =>
  generate(new World(seed), { hasServer: election === "kv" })

export const runSeed = async (election: string, seed: number): Promise<Violation | undefined> => {
  const { stackTraceLimit } = Error
  // Nothing reads the stacks of the errors that participants handle.
  Error.stackTraceLimit = 0
  try {
    return await run(seed, scheduleOf(election, seed), groupOf(election))
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
