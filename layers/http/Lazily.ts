/**
 * Modules that are loaded when they are first needed: importing them costs start-up time.
 *
 * @internal
 */
import { createRequire } from "node:module"

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
