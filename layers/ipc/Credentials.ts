/**
 * What a client presents of itself: its name and the server's token.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import { isPrintable } from "../../src/internal/Printable.js"

/**
 * The longest name a client can have, in characters: it is in every log line and error about that client.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxRuntimeIdLength = 256

/**
 * Whether a client can have this name.
 *
 * @since 0.1.0
 * @category guards
 */
export const isValidRuntimeId = (runtimeId: string): boolean =>
  runtimeId.length <= maxRuntimeIdLength && isPrintable(runtimeId)

/**
 * What an invalid name is answered.
 *
 * @since 0.1.0
 * @category guards
 */
export const invalidRuntimeId = `a runtimeId has at most ${maxRuntimeIdLength} characters and no control characters`

/**
 * The token as the header carries it, which drops white space around it (a file's last line feed, say). An empty one is none.
 *
 * @since 0.1.0
 * @category conversions
 */
export const tokenOf = (token: string | Redacted.Redacted | undefined): string | undefined =>
  (Redacted.isRedacted(token) ? Redacted.value(token) : token)?.trim() || undefined

/**
 * Whether an HTTP header can carry the token.
 *
 * @since 0.1.0
 * @category guards
 */
export const isValidToken = (token: string): boolean => /^[\x20-\x7e]*$/.test(token)
