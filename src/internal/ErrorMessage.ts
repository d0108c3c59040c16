/**
 * The message of any thrown value.
 *
 * @internal
 */
import * as Inspectable from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import { oneLine } from "./Printable.js"

/**
 * The message of an `Error` or of anything with one, the tag of what is only tagged, else the value as text. Never throws,
 * even where the value does when it is looked at.
 */
export const messageOf = (error: unknown): string => {
  // Getters, proxies and toString methods may throw, and the caller is reporting an error already.
  try {
    if (Predicate.hasProperty(error, "message") && typeof error.message === "string" && error.message !== "") {
      return error.message
    }
    return hasStringTag(error) ? error._tag : Inspectable.toStringUnknown(error, 0)
  } catch {
    return "an error that can't be shown"
  }
}

/**
 * Whether a value is tagged, as Effect's errors are. Never throws.
 */
export const hasStringTag = (value: unknown): value is { readonly _tag: string } => {
  try {
    return Predicate.hasProperty(value, "_tag") && typeof value._tag === "string"
  } catch {
    return false
  }
}

/** Why a connection closed: the close code, and the peer's reason where it gave one. */
export const closeReason = ({ code, reason }: { readonly code: number; readonly reason: string }): string =>
  reason === "" ? `code ${code}` : `code ${code}: ${oneLine(reason)}`
