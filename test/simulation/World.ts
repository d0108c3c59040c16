/**
 * Virtual time, and the processes that live in it: everything that happens in a run follows from its seed.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as HashSet from "effect/HashSet"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import { defaultShouldYield, type Scheduler, type Task } from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Numbers from "./Numbers.js"

/** Cancels what was scheduled; nothing where it has happened. */
export type Cancel = () => void

interface Event {
  readonly at: number
  readonly order: number
  /** Null once it is cancelled. */
  run: (() => void) | null
}

/** The observer's time, in milliseconds from 0, and what is to happen in it. */
export class World {
  now = 0
  private readonly draw: () => number
  private readonly heap: Array<Event> = []
  private order = 0

  constructor(seed: number) {
    this.draw = Numbers.seeded(seed)
  }

  /** A number from `low` up to, not including, `high`. */
  between(low: number, high: number): number {
    return low + this.draw() * (high - low)
  }

  /** A whole number from 0 up to, not including, `end`. */
  integer(end: number): number {
    return Math.floor(this.draw() * end)
  }

  after(millis: number, run: () => void): Cancel {
    const event: Event = { at: this.now + Math.max(millis, 0), order: this.order++, run }
    push(this.heap, event)
    return () => {
      event.run = null
    }
  }

  /** Lets time pass. `observe` is called after each event. */
  advance(millis: number, observe: () => void): void {
    const end = this.now + millis
    for (let next = this.heap[0]; next !== undefined && next.at <= end; next = this.heap[0]) {
      pop(this.heap)
      if (next.run === null) continue
      this.now = next.at
      next.run()
      observe()
    }
    this.now = end
  }
}

/** What a host's clock shows where nothing has set it. */
const epoch = Date.UTC(2026, 0, 1)

/**
 * A process: it has a clock, fibers that run only while it does, and what waits for it while it is stopped.
 */
export class Host implements Scheduler {
  /** `dead` is for ever; what a dead process was about to do never happens. */
  state: "running" | "stopped" | "dead" = "running"
  /** For how long it has been stopped, in milliseconds. */
  stoppedMillis = 0
  /** How far its wall clock is ahead. */
  wallOffset = 0
  private stoppedAt = 0
  private tasks: Array<Task> = []
  private held: Array<() => void> = []
  private flushing = false
  readonly clock: Clock.Clock
  private readonly runtime: Runtime.Runtime<never>
  private readonly scope = Effect.runSync(Scope.make())

  constructor(
    readonly world: World,
    readonly name: string
  ) {
    this.clock = makeClock(this)
    this.runtime = Effect.runSync(
      Effect.runtime<never>().pipe(
        Effect.withClock(this.clock),
        Effect.withRandom(Random.make(world.integer(0x7fffffff))),
        Effect.locally(FiberRef.currentLoggers, HashSet.empty())
      )
    )
  }

  /** Forks the effect in this process. Its scope is the process's. */
  run<A, E>(effect: Effect.Effect<A, E, Scope.Scope>, onExit: (exit: Exit.Exit<A, E>) => void = () => {}): void {
    this.enter(() => {
      const fiber = Runtime.runFork(this.runtime)(Effect.provideService(effect, Scope.Scope, this.scope), {
        scheduler: this
      })
      fiber.addObserver(onExit)
    })
  }

  /** Does something in this process: at once, or when it goes on. */
  enter(run: () => void): void {
    if (this.state !== "running") {
      this.held.push(run)
      return
    }
    run()
    this.flush()
  }

  after(millis: number, run: () => void): Cancel {
    return this.world.after(millis, () => this.enter(run))
  }

  stop(): void {
    if (this.state !== "running") return
    this.state = "stopped"
    this.stoppedAt = this.world.now
  }

  resume(): void {
    if (this.state !== "stopped") return
    this.state = "running"
    this.stoppedMillis += this.world.now - this.stoppedAt
    const { held } = this
    this.held = []
    for (const run of held) this.enter(run)
  }

  kill(): void {
    this.stop()
    this.state = "dead"
  }

  /** Closes its scope. */
  leave(onLeft: () => void = () => {}): void {
    this.run(Effect.interruptible(Scope.close(this.scope, Exit.void)), onLeft)
  }

  scheduleTask(task: Task): void {
    this.tasks.push(task)
  }

  shouldYield(fiber: Fiber.RuntimeFiber<unknown, unknown>): number | false {
    return defaultShouldYield(fiber)
  }

  /** Runs what is ready. */
  flush(): void {
    if (this.flushing) return
    this.flushing = true
    while (this.tasks.length > 0) {
      const { tasks } = this
      this.tasks = []
      for (const task of tasks) task()
    }
    this.flushing = false
  }
}

const makeClock = (host: Host): Clock.Clock => {
  const unsafeCurrentTimeMillis = () => Math.floor(epoch + host.world.now + host.wallOffset)
  const unsafeCurrentTimeNanos = () => BigInt(Math.round(host.world.now * 1e6))
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis,
    unsafeCurrentTimeNanos,
    currentTimeMillis: Effect.sync(unsafeCurrentTimeMillis),
    currentTimeNanos: Effect.sync(unsafeCurrentTimeNanos),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        const millis = Duration.toMillis(duration)
        if (millis === Number.POSITIVE_INFINITY) return
        return Effect.sync(host.after(millis, () => resume(Effect.void)))
      })
  }
}

const isBefore = (left: Event, right: Event): boolean =>
  left.at < right.at || (left.at === right.at && left.order < right.order)

/** A binary heap, the earliest event first. */
const push = (heap: Array<Event>, event: Event): void => {
  let at = heap.push(event) - 1
  while (at > 0) {
    const above = (at - 1) >> 1
    if (!isBefore(event, heap[above] as Event)) break
    heap[at] = heap[above] as Event
    at = above
  }
  heap[at] = event
}

const pop = (heap: Array<Event>): void => {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    let below = 2 * at + 1
    if (below >= heap.length) break
    if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below] as Event)) below++
    if (!isBefore(heap[below] as Event, last)) break
    heap[at] = heap[below] as Event
    at = below
  }
  heap[at] = last
}

/**
 * Drops the fibers of a run that is over: Effect keeps every fiber without a parent until it ends, and a killed
 * process's never do.
 */
export const forget = (): void => {
  const { roots } = globalValue<{ readonly roots: Set<Fiber.RuntimeFiber<unknown, unknown>> }>(
    Symbol.for("effect/FiberScope/Global"),
    () => ({ roots: new Set() })
  )
  for (const fiber of roots) if (fiber.getFiberRef(FiberRef.currentScheduler) instanceof Host) roots.delete(fiber)
}
