/**
 * What is done to a group of participants, and when: drawn from a seed, or a part of what was.
 */
import type { World } from "./World.js"

/** A step, and how many milliseconds after the one before it. */
export type Step = { readonly after: number; readonly host: number } & (
  | { readonly what: "call"; readonly call: Call; readonly timeout: number; readonly entry: number }
  | { readonly what: "leave" | "kill" | "start" | "stop" | "resume" | "cut" }
  | { readonly what: "stall"; readonly millis: number }
  /** The wall clock is set ahead, or back. */
  | { readonly what: "setClock"; readonly millis: number }
  /** From now on messages take up to so long. */
  | { readonly what: "slow"; readonly millis: number }
)

export type Call = "discover" | "routes" | "register" | "unregister"

export const faults: ReadonlySet<Step["what"]> = new Set(["kill", "stop", "cut", "stall", "setClock", "slow"])

export interface Schedule {
  readonly hosts: number
  readonly steps: ReadonlyArray<Step>
}

const stepCount = 200
/** How likely a step is a fault: about twenty of them in a schedule. */
const faultShare = 0.11

/** How likely a step is a fault of what all hosts are connected to. */
const serverFaultShare = 0.01

/** At least 200 steps and ten faults. */
export const generate = (world: World, { hasServer = false } = {}): Schedule => {
  const hosts = 3 + world.integer(3)
  const states = Array.from({ length: hosts }, (): "running" | "stopped" | "gone" => "running")
  const steps: Array<Step> = []
  let faultCount = 0
  while (steps.length < stepCount || faultCount < 10) {
    const host = world.integer(hosts)
    const after = pause(world)
    if (hasServer && world.between(0, 1) < serverFaultShare) {
      steps.push({ ...serverFault(world), after, host: hosts } as Step)
      faultCount++
      continue
    }
    const step = drawn(world, states, host)
    if (step === undefined) continue
    if (faults.has(step.what)) faultCount++
    states[host] = stateAfter[step.what] ?? states[host] ?? "running"
    steps.push({ ...step, after, host } as Step)
  }
  return { hosts, steps }
}

const stateAfter: { readonly [What in Step["what"]]?: "running" | "stopped" | "gone" } = {
  leave: "gone",
  kill: "gone",
  start: "running",
  stop: "stopped",
  resume: "running"
}

/** Mostly short, now and then long enough for something to be noticed. */
const pause = (world: World): number => {
  const chance = world.between(0, 1)
  if (chance < 0.5) return world.between(0, 5)
  return chance < 0.93 ? world.between(5, 200) : world.between(500, 6000)
}

type Drawn = Step extends infer S ? (S extends unknown ? Omit<S, "after" | "host"> : never) : never

const drawn = (world: World, states: ReadonlyArray<string>, host: number): Drawn | undefined => {
  const state = states[host]
  const chance = world.between(0, 1)
  if (state === "gone") return chance < 0.3 ? { what: "start" } : undefined
  if (state === "stopped") return chance < 0.3 ? { what: "resume" } : undefined
  if (chance < faultShare) return fault(world, states.filter((other) => other === "running").length)
  if (chance < faultShare + 0.01) return { what: "leave" }
  const call = (["discover", "routes", "register", "unregister"] as const)[world.integer(4)] ?? "routes"
  return { what: "call", call, timeout: world.between(20, 5000), entry: world.integer(8) }
}

/** The server's place is after the hosts'. */
const serverFault = (world: World): Drawn => {
  switch (world.integer(3)) {
    case 0:
      return { what: "cut" }
    case 1:
      return { what: "stall", millis: world.between(10, 12_000) }
    default:
      return { what: "setClock", millis: Math.round(world.between(-60_000, 60_000)) }
  }
}

const fault = (world: World, running: number): Drawn => {
  switch (world.integer(6)) {
    case 0:
      return running > 1 ? { what: "kill" } : { what: "cut" }
    case 1:
      return running > 1 ? { what: "stop" } : { what: "cut" }
    case 2:
      return { what: "cut" }
    case 3:
      return { what: "stall", millis: world.between(10, 8000) }
    case 4:
      return { what: "setClock", millis: Math.round(world.between(-3_600_000, 3_600_000)) }
    default:
      return { what: "slow", millis: world.between(0.2, 60) }
  }
}

/** A line a step. */
export const print = (schedule: Schedule): string => {
  let at = 0
  const lines = schedule.steps.map(({ after, host, what, ...more }) => {
    at += after
    const details = Object.entries(more).map(([name, value]) => `${name} ${value}`)
    return `  ${at.toFixed(2).padStart(10)} ms  host ${host}: ${[what, ...details].join(", ")}`
  })
  return [`  ${schedule.hosts} hosts`, ...lines].join("\n")
}
