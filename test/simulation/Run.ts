/**
 * Runs a schedule against a group of participants, and checks after every event what must always hold, and in the end what
 * must hold once all is quiet.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as EffectSchedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Discovery } from "../../src/Discovery.js"
import type { LeaderElection } from "../../src/LeaderElection.js"
import { Network } from "./Network.js"
import type { Schedule, Step } from "./Schedule.js"
import { forget, Host, World } from "./World.js"

/** What is simulated. */
export interface Group {
  readonly takePart: (
    host: Host
  ) => Effect.Effect<
    { readonly discovery: Discovery.Service; readonly election: LeaderElection.Service },
    unknown,
    Scope.Scope
  >
  /** What all participants are connected to, where it isn't one of them. */
  readonly server?: Host
  readonly onKill: (host: Host) => void
  /** The host's connections break. */
  readonly onCut?: (host: Host) => void
  /** What a leader does while it leads. */
  readonly whileLeading?: (host: Host, election: LeaderElection.Service, term: Term) => Effect.Effect<never>
  /** How long it takes at most until all is as it should be once nothing disturbs any more, in milliseconds. */
  readonly quietMillis: number
}

/** One participant's time as the leader. */
export interface Term {
  /** The store that leaders write to has taken a write of this term. */
  readonly accepted: () => void
}

export interface Violation {
  /** What doesn't hold. */
  readonly invariant: "one leader" | "routes" | "calls" | "tokens" | "defect"
  readonly detail: string
}

interface Participant {
  readonly host: Host
  discovery: Discovery.Service | undefined
  election: LeaderElection.Service | undefined
  /** Whether an effect runs that runs only while it leads. */
  isLeading: boolean
  isLeaving: boolean
  /** The entries that it has registered, and may release. */
  readonly registered: Map<number, Scope.CloseableScope>
}

interface PendingCall {
  readonly participant: Participant
  readonly what: string
  readonly startedAt: number
  readonly stoppedBefore: number
  readonly timeout: number
  ends: number
}

/** A process that is late by so many milliseconds still keeps its deadline. */
const tolerance = 1

export const run = async (
  seed: number,
  schedule: Schedule,
  makeGroup: (network: Network) => Group
): Promise<Violation | undefined> => {
  const world = new World(seed)
  const network = new Network(world)
  const group = makeGroup(network)
  const participants: Array<Participant> = []
  const calls = new Set<PendingCall>()
  let violation: Violation | undefined

  const fail = (invariant: Violation["invariant"], detail: string): void => {
    violation ??= { invariant, detail: `${detail} (at ${world.now.toFixed(2)} ms)` }
  }

  /** A defect of any participant is a failure of the run. */
  const watchDefects = (host: Host) => (exit: Exit.Exit<unknown, unknown>) => {
    if (Exit.isFailure(exit) && Cause.isDie(exit.cause)) fail("defect", `${host.name}: ${Cause.pretty(exit.cause)}`)
  }

  const start = (index: number): void => {
    const host = new Host(world, `host-${index}`)
    const participant: Participant = {
      host,
      discovery: undefined,
      election: undefined,
      isLeading: false,
      isLeaving: false,
      registered: new Map()
    }
    participants[index] = participant
    host.run(
      Effect.gen(function* () {
        // A supervisor starts it again where it can't take part.
        const { discovery, election } = yield* Effect.retry(group.takePart(host), EffectSchedule.spaced("1 second"))
        participant.discovery = discovery
        participant.election = election
        // The election alone ends it, also where the process leaves.
        yield* Effect.forkDaemon(election.whileLeader(leading(participant)))
        yield* Effect.forkScoped(register(participant, 100 + index))
      }),
      watchDefects(host)
    )
  }

  /** How many terms have begun, and the latest of which the store has taken a write. */
  let terms = 0
  let latestAccepted = 0

  const leading = (participant: Participant) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        participant.isLeading = true
        return ++terms
      }),
      (term) =>
        participant.election === undefined || group.whileLeading === undefined
          ? Effect.async<never>(() => {})
          : group.whileLeading(participant.host, participant.election, {
              accepted: () => {
                if (term < latestAccepted)
                  fail("tokens", `a write of ${participant.host.name}'s older term was accepted`)
                latestAccepted = Math.max(term, latestAccepted)
              }
            }),
      () =>
        Effect.sync(() => {
          participant.isLeading = false
        })
    )

  const entryOf = (participant: Participant, entry: number) => ({
    api: `api-${entry}`,
    baseUrl: `http://${participant.host.name}:1`,
    pathPrefix: `/${entry}`
  })

  const register = (participant: Participant, entry: number, timeout?: number) =>
    Effect.gen(function* () {
      const { discovery } = participant
      if (discovery === undefined || participant.registered.has(entry)) return
      const scope = yield* Scope.make()
      participant.registered.set(entry, scope)
      yield* discovery.register(entryOf(participant, entry), timeout === undefined ? {} : { timeout }).pipe(
        Scope.extend(scope),
        Effect.onError(() =>
          Effect.sync(() => {
            if (participant.registered.get(entry) === scope) participant.registered.delete(entry)
          })
        )
      )
    })

  const call = (participant: Participant, step: Extract<Step, { what: "call" }>): void => {
    const { discovery } = participant
    if (discovery === undefined || participant.isLeaving) return
    const { entry } = step
    const timeout = Math.round(step.timeout)
    const effects: { readonly [Name in typeof step.call]: Effect.Effect<unknown, unknown> } = {
      discover: discovery.discover(`api-${entry < 4 ? entry : 100 + (entry % schedule.hosts)}`, { timeout }),
      routes: discovery.routes,
      register: register(participant, entry, timeout),
      unregister: Effect.suspend(() => {
        if (!participant.registered.delete(entry)) return Effect.void
        return discovery.unregister(entryOf(participant, entry), { timeout })
      })
    }
    const pending: PendingCall = {
      participant,
      what: `${participant.host.name}: ${step.call} ${entry}`,
      startedAt: world.now,
      stoppedBefore: participant.host.stoppedMillis,
      timeout: step.call === "routes" ? 10_000 : timeout,
      ends: 0
    }
    calls.add(pending)
    participant.host.run(effects[step.call], (exit) => {
      watchDefects(participant.host)(exit)
      calls.delete(pending)
      if (++pending.ends > 1) fail("calls", `${pending.what} ended twice`)
      checkDeadline(pending)
    })
  }

  const checkDeadline = (pending: PendingCall): void => {
    const { host } = pending.participant
    if (host.state !== "running") return
    const stopped = host.stoppedMillis - pending.stoppedBefore
    const took = world.now - pending.startedAt - stopped
    if (took > pending.timeout + tolerance) {
      fail(
        "calls",
        `${pending.what} hadn't ended ${took.toFixed(2)} ms after it began; its timeout is ${pending.timeout}`
      )
    }
  }

  const isLiving = ({ host }: Participant): boolean => host.state !== "dead"

  /** A process that is stopped does nothing as a leader, whatever it will believe when it goes on. */
  const leads = (participant: Participant): boolean =>
    participant.isLeading && (group.server === undefined ? isLiving(participant) : participant.host.state === "running")

  const observe = (): void => {
    if (violation !== undefined) return
    let leaders = 0
    for (const participant of participants) if (leads(participant)) leaders++
    if (leaders > 1) {
      const names = participants.filter(leads).map(({ host }) => host.name)
      fail("one leader", `${names.join(" and ")} lead at once`)
    }
  }

  const kill = ({ host }: Participant): void => {
    host.kill()
    group.onKill(host)
    network.cut(host)
  }

  const take = (step: Step): void => {
    const participant = participants[step.host]
    const host = participant?.host ?? group.server
    if (host === undefined) return
    switch (step.what) {
      case "cut":
        network.cut(host)
        group.onCut?.(host)
        return
      case "stall":
        network.stall(host, step.millis)
        return
      case "setClock":
        host.wallOffset += step.millis
        return
      case "slow":
        network.maxDelay = step.millis
        return
    }
    if (participant !== undefined) move(participant, step)
  }

  const move = (participant: Participant, step: Step): void => {
    const { host } = participant
    const isRunning = host.state === "running" && !participant.isLeaving
    switch (step.what) {
      case "call":
        if (isRunning) call(participant, step)
        return
      case "leave":
        if (!isRunning) return
        participant.isLeaving = true
        host.leave(() => kill(participant))
        return
      case "kill":
        if (isLiving(participant)) kill(participant)
        return
      case "start":
        if (!isLiving(participant) || participant.isLeaving) {
          kill(participant)
          start(step.host)
        }
        return
      case "stop":
        if (isRunning) host.stop()
        return
      case "resume":
        host.resume()
        return
    }
  }

  const advance = (millis: number): void => {
    world.advance(millis, observe)
    for (const pending of calls) checkDeadline(pending)
  }

  for (let index = 0; index < schedule.hosts; index++) start(index)
  for (const step of schedule.steps) {
    advance(step.after)
    take(step)
    observe()
    // A process that was stopped looks at what has arrived in a later turn of the event loop.
    if (step.what === "resume") await turns(participants)
    if (violation !== undefined) break
  }

  if (violation === undefined) {
    for (const { host } of participants) host.resume()
    await turns(participants)
    network.maxDelay = 2
    advance(group.quietMillis)
    checkQuiet()
  }
  forget()
  return violation

  function checkQuiet(): void {
    const living = participants.filter((participant) => isLiving(participant) && !participant.isLeaving)
    if (violation !== undefined || living.length === 0) return
    const leaders = living.filter(({ isLeading }) => isLeading).length
    if (leaders !== 1) fail("one leader", `${leaders} lead after all was quiet`)
    const expected = living
      .flatMap(({ host, registered }) => [...registered.keys()].map((entry) => `${host.name} api-${entry}`))
      .sort()
    for (const { discovery, host } of living) {
      let told: ReadonlyArray<string> | undefined
      if (discovery === undefined) {
        fail("routes", `${host.name} doesn't take part after all was quiet`)
        continue
      }
      host.run(
        Effect.map(discovery.routes, (routes) => routes.map(({ api, owner }) => `${owner} ${api}`).sort()),
        (exit) => {
          if (Exit.isSuccess(exit)) told = exit.value
        }
      )
      advance(2000)
      if (told === undefined || told.join() !== expected.join()) {
        fail(
          "routes",
          `${host.name} is told of ${told?.join(", ") ?? "nothing"}, where there are ${expected.join(", ")}`
        )
      }
    }
  }
}

/** What a process does in a later turn of the event loop, since it was stopped. */
const turns = async (participants: ReadonlyArray<Participant>): Promise<void> => {
  for (let i = 0; i < 3; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve))
    for (const { host } of participants) host.flush()
  }
}
