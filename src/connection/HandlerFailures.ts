/**
 * Failures of handlers as they are encoded on the wire.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type { Codec } from "../IPCRequest.js"
import { hasStringTag, messageOf } from "../internal/ErrorMessage.js"
import type * as Frame from "./Frame.js"

/** The encoded failure of a handler that didn't succeed. */
export const failureOf = (cause: Cause.Cause<Frame.Failure>): Frame.Failure => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure)) return failure.value
  if (Cause.isInterruptedOnly(cause)) return { success: false, error: "the handler was interrupted" }
  return { success: false, error: messageOf(Cause.squash(cause)) }
}

/** Encodes a failure by its Schema. */
export const failureEncoder =
  (codec: Codec<unknown>) =>
  (failure: unknown): Effect.Effect<never, Frame.Failure> =>
    Effect.matchEffect(codec.encode(failure), {
      // Not one of the declared failures: it crosses as its message.
      onFailure: () => Effect.fail(untypedFailure(failure)),
      onSuccess: (encoded) => Effect.fail({ ...untypedFailure(failure), failure: encoded })
    })

/** A failure that crosses as its message. */
export const untypedFailure = (failure: unknown): Frame.Failure => {
  const error = messageOf(failure)
  return hasStringTag(failure) ? { success: false, error, tag: failure._tag } : { success: false, error }
}

/** The failure of a request whose payload doesn't fit its Schema. */
export const invalidPayload = (issue: ParseResult.ParseIssue): Frame.Failure => ({
  success: false,
  error: shortened(ParseResult.TreeFormatter.formatIssueSync(issue)),
  reason: "InvalidPayload"
})

/** An issue repeats what came. */
const shortened = (issue: string): string =>
  issue.length > maxIssueLength ? `${issue.slice(0, maxIssueLength)}…` : issue

const maxIssueLength = 1000
