/**
 * The fibers that wait for what a connection reads: those that one read resumes go on in one microtask.
 *
 * Effect's scheduler has a queue and a microtask for each fiber, in a `WeakMap`, so that each goes on in the asynchronous context
 * in which it was resumed. What is read at once is read in one context.
 *
 * @internal
 */
import * as Scheduler from "effect/Scheduler"

type Task = () => void

/** Those that have been resumed by what is being read; undefined while nothing is. */
let resumed: Array<Task> | undefined

/** Reads, after which the fibers that were resumed meanwhile go on together. */
export const during = <A>(read: () => A): A => {
  const outer = resumed
  const tasks: Array<Task> = []
  resumed = tasks
  try {
    return read()
  } finally {
    resumed = outer
    if (tasks.length > 0) goOnSoon(tasks, 0)
  }
}

/** A promise's callback, so that what a fiber throws is an unhandled rejection, as with Effect's scheduler. */
const goOnSoon = (tasks: ReadonlyArray<Task>, from: number): void => {
  void Promise.resolve().then(() => goOn(tasks, from))
}

const goOn = (tasks: ReadonlyArray<Task>, from: number): void => {
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
    if (resumed === undefined) Scheduler.defaultScheduler.scheduleTask(task, priority, fiber)
    else resumed.push(task)
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
