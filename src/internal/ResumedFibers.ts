/**
 * The fibers that wait for responses: those whose responses arrive one after the other go on in one microtask.
 *
 * Effect's scheduler has a queue and a microtask for each fiber, in a `WeakMap`, so that each goes on in the asynchronous context
 * in which it was resumed. What is read at once is read in one context.
 *
 * @internal
 */
import * as Scheduler from "effect/Scheduler"

type Task = () => void

/** Those that go on together; undefined while each goes on by itself. */
let resumed: Array<Task> | undefined

/** Fibers that are resumed from now on go on together. */
export const begin = (): void => {
  resumed ??= []
}

/** Fibers that are resumed from now on go on after those, in the order in which they are resumed. */
export const end = (): void => {
  resumed = undefined
}

/** A promise's callback, so that what a fiber throws is an unhandled rejection, as with Effect's scheduler. */
const goOnSoon = (tasks: ReadonlyArray<Task>, from: number): void => {
  void Promise.resolve().then(() => goOn(tasks, from))
}

const goOn = (tasks: ReadonlyArray<Task>, from: number): void => {
  // Where a read has thrown, nothing has ended it.
  if (resumed === tasks) end()
  let next = from
  try {
    while (next < tasks.length) (tasks[next++] as Task)()
  } finally {
    // One that throws keeps none of the others from going on.
    if (next < tasks.length) goOnSoon(tasks, next)
  }
}

const scheduler: Scheduler.Scheduler = {
  shouldYield: (fiber) => Scheduler.defaultScheduler.shouldYield(fiber),
  scheduleTask: (task, priority, fiber) => {
    if (resumed === undefined) return Scheduler.defaultScheduler.scheduleTask(task, priority, fiber)
    // Now rather than at the end, so that they go on before what is woken meanwhile.
    if (resumed.push(task) === 1) goOnSoon(resumed, 0)
  }
}

/** A fiber, as far as it says by what it is scheduled. Effect declares that as readonly. */
export interface Scheduled {
  currentScheduler: Scheduler.Scheduler
}

/** Whether a fiber's scheduler can be set. */
export const canSchedule = (fiber: Scheduled): boolean =>
  Object.getOwnPropertyDescriptor(fiber, "currentScheduler")?.writable === true

/** Calls what resumes the fiber. A fiber with a scheduler of its own keeps to it. */
export const resume = <A>(fiber: Scheduled, call: (value: A) => void, value: A): void => {
  if (resumed === undefined || fiber.currentScheduler !== Scheduler.defaultScheduler) return call(value)
  fiber.currentScheduler = scheduler
  call(value)
  fiber.currentScheduler = Scheduler.defaultScheduler
}
