/**
 * undici, loaded when it is first needed.
 *
 * @internal
 */
import type * as Undici from "undici"
import { imported } from "../../Lazily.js"

/**
 * @internal
 */
export const load = (): Promise<typeof Undici> => imported("undici", () => import("undici"))
