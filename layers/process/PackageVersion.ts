/**
 * The package's own version.
 *
 * @internal
 */
import { createRequire } from "node:module"

/** `unknown` in a program that was bundled, which has no package beside it. Read when it is needed, not when it is loaded. */
export const version = (): string => {
  // Node tells of a module that isn't there only by throwing.
  try {
    return (createRequire(import.meta.url)("effect-ipc/package.json") as { readonly version: string }).version
  } catch {
    return "unknown"
  }
}
