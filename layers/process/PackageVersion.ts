/**
 * The package's own version.
 *
 * @internal
 */
import { createRequire } from "node:module"

export const { version } = createRequire(import.meta.url)("effect-ipc/package.json") as { readonly version: string }
