/**
 * Events and values that any number of consumers watch, each at its own pace and with a bound on what is kept for it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** A consumer that falls behind by more than this misses the oldest events. */
export const maxEventsBehind = 4096

/** A queue a consumer: it grows with what is unread, where a sliding PubSub has room for all events from the start. */
class Consumers<A> {
  private readonly queues = new Set<Queue.Queue<A>>()
  private isShutDown = false

  publish(event: A): void {
    // A sliding queue never waits. Once it is shut down, it has no consumer.
    for (const queue of this.queues) Effect.runSyncExit(Queue.offer(queue, event))
  }

  readonly shutdown: Effect.Effect<void> = Effect.suspend(() => {
    this.isShutDown = true
    return Effect.forEach(this.queues, Queue.shutdown, { discard: true })
  })

  readonly subscribe: Effect.Effect<Queue.Dequeue<A>, never, Scope.Scope> = Effect.acquireRelease(
    Effect.tap(Queue.sliding<A>(maxEventsBehind), (queue) => {
      if (this.isShutDown) return Queue.shutdown(queue)
      this.queues.add(queue)
      return Effect.void
    }),
    (queue) => {
      this.queues.delete(queue)
      return Queue.shutdown(queue)
    }
  )
}

/** Publishes at once, from any code. */
export class Events<A> {
  private readonly consumers = new Consumers<A>()

  /** The events from the time of subscription on; ends with `shutdown`. */
  readonly stream: Stream.Stream<A> = Stream.unwrapScoped(
    Effect.map(this.consumers.subscribe, (queue) => Stream.fromQueue(queue))
  )
  readonly shutdown: Effect.Effect<void> = this.consumers.shutdown

  publish(event: A): void {
    this.consumers.publish(event)
  }
}

interface Versioned<A> {
  readonly version: number
  readonly value: A
}

/** A value that can be read and watched. */
export class CurrentValue<A> {
  private readonly consumers = new Consumers<Versioned<A>>()
  private version = 0

  constructor(private value: A) {}

  get(): A {
    return this.value
  }

  set(value: A): void {
    this.value = value
    this.consumers.publish({ version: ++this.version, value })
  }

  /** The value now, and every later one. */
  readonly changes: Stream.Stream<A> = Stream.unwrapScoped(
    Effect.map(this.consumers.subscribe, (queue) => {
      const { value, version } = this
      const later = Stream.filter(Stream.fromQueue(queue), (change) => change.version > version)
      return Stream.concat(
        Stream.succeed(value),
        Stream.map(later, (change) => change.value)
      )
    })
  )
}
