/**
 * Events and values that any number of consumers watch, each at its own pace and with a bound on what is kept for it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"

/** A consumer that falls behind by more than this misses the oldest events. */
export const maxEventsBehind = 4096

/** Publishes at once, from any code. */
export class Events<A> {
  private readonly pubSub = Effect.runSync(PubSub.sliding<A>(maxEventsBehind))

  /** The events from the time of subscription on; ends with `shutdown`. */
  readonly stream: Stream.Stream<A> = Stream.fromPubSub(this.pubSub)
  readonly shutdown: Effect.Effect<void> = PubSub.shutdown(this.pubSub)

  publish(event: A): void {
    // Sliding never waits. Once it is shut down, nobody listens.
    Effect.runSyncExit(PubSub.publish(this.pubSub, event))
  }
}

interface Versioned<A> {
  readonly version: number
  readonly value: A
}

/** A value that can be read and watched. */
export class CurrentValue<A> {
  private readonly pubSub = Effect.runSync(PubSub.sliding<Versioned<A>>(maxEventsBehind))
  private version = 0

  constructor(private value: A) {}

  get(): A {
    return this.value
  }

  set(value: A): void {
    this.value = value
    Effect.runSync(PubSub.publish(this.pubSub, { version: ++this.version, value }))
  }

  /** The value now, and every later one. */
  readonly changes: Stream.Stream<A> = Stream.unwrapScoped(
    Effect.map(PubSub.subscribe(this.pubSub), (queue) => {
      const { value, version } = this
      const later = Stream.filter(Stream.fromQueue(queue), (change) => change.version > version)
      return Stream.concat(
        Stream.succeed(value),
        Stream.map(later, (change) => change.value)
      )
    })
  )
}
