/**
 * undici, loaded when it is first needed: importing it costs start-up time.
 *
 * @internal
 */
import { createRequire } from "node:module"
import type * as Undici from "undici"

/**
 * Node remembers a failed import for good, even one that failed for want of a file descriptor. A required module is read
 * again.
 *
 * @internal
 */
export const load = async (): Promise<typeof Undici> => {
  try {
    return await import("undici")
  } catch {
    return createRequire(import.meta.url)("undici")
  }
}
