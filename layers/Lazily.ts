/**
 * Modules that are loaded when they are first needed: importing them costs start-up time.
 *
 * @internal
 */
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { detached } from "../src/internal/Detached.js"

/**
 * The module, by `load`, which imports it. Node remembers a failed import for good, even where no file descriptor was left
 * for it; a required module is read again.
 *
 * @internal
 */
export const imported = async <A>(name: string, load: () => Promise<A>): Promise<A> => {
  try {
    return await load()
  } catch {
    return createRequire(import.meta.url)(name)
  }
}

/**
 * As {@link imported}. Fails with Node's error, for example where no file descriptor is left.
 *
 * @internal
 */
export const module = <A>(name: string, load: () => Promise<A>): Effect.Effect<A, NodeJS.ErrnoException> =>
  Effect.tryPromise({ try: () => imported(name, load), catch: (error) => error as NodeJS.ErrnoException })

/**
 * Loads in a fiber of the scope what would otherwise delay a failover: later than the program itself starts, or a short
 * program ends.
 *
 * @internal
 */
export const soon = <A, E>(load: Effect.Effect<A, E>): Effect.Effect<void, never, Scope.Scope> =>
  load.pipe(Effect.ignore, Effect.delay("1 second"), detached, Effect.forkScoped, Effect.asVoid)
