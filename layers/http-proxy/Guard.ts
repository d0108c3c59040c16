/**
 * Keeps what listeners throw from ending the process.
 *
 * @internal
 */
import type { EventEmitter } from "node:events"

/**
 * What a listener of the emitter throws goes to `onThrown`; the listeners after it aren't called.
 *
 * @internal
 */
export const guard = (emitter: EventEmitter, onThrown: (error: unknown) => void): void => {
  const { emit } = emitter
  emitter.emit = function (...event) {
    try {
      return emit.apply(this, event)
    } catch (error) {
      onThrown(error)
      return true
    }
  }
}
