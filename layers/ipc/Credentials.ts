/**
 * What a client presents of itself: its name, and that it knows the server's token.
 *
 * @internal
 */
import * as Config from "effect/Config"
import * as Redacted from "effect/Redacted"
import { isPrintable } from "../../src/internal/Printable.js"
import * as Variable from "../../src/internal/Variable.js"

/** The longest name a client can have, in characters: it is in every log line and error about that client. */
const maxRuntimeIdLength = 256

export const isValidRuntimeId = (runtimeId: string): boolean =>
  runtimeId.length <= maxRuntimeIdLength && isPrintable(runtimeId)

/** What an invalid name is answered. */
export const invalidRuntimeId = `a runtimeId has at most ${maxRuntimeIdLength} characters and no control characters`

/** The token without the white space around it (a file's last line feed, for example). An empty one is none. */
export const tokenOf = (token: string | Redacted.Redacted | undefined): string | undefined =>
  (Redacted.isRedacted(token) ? Redacted.value(token) : token)?.trim() || undefined

/** A program that has seen a proof can try tokens on its own, without a limit, and would find a shorter one. */
const minTokenBytes = 16

/** Why a token can't be proved; undefined where it can. */
export const issueOfToken = (token: string): string | undefined => {
  const bytes = Buffer.byteLength(token)
  return bytes < minTokenBytes ? `it has ${bytes} bytes, and needs at least ${minTokenBytes}` : undefined
}

/** `IPC_TOKEN`. */
export const token: Config.Config<Redacted.Redacted | undefined> = Variable.optional(Variable.secret("IPC_TOKEN"))

/** `IPC_TOKEN_SCHEME`, by default `proof`. */
export const tokenScheme: Config.Config<"proof" | "bearer"> = Config.withDefault(
  Variable.oneOf("IPC_TOKEN_SCHEME", "proof", "bearer"),
  "proof"
)

/** Whether an HTTP header can carry the token as it is. */
export const fitsHeader = (token: string): boolean => /^[\x20-\x7e]*$/.test(token)
