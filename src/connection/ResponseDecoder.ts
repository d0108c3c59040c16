/**
 * From a response's data to how the request ends.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ParseResult from "effect/ParseResult"
import { InvalidPayload, InvalidResponse, NoHandler, RequestFailed } from "../IPCError.js"
import type { Codec, UntypedRequest } from "../IPCRequest.js"
import { nameOf } from "../IPCRequest.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import { total } from "../internal/Total.js"
import * as Frame from "./Frame.js"

/** How the request to this target ends with this response. */
export const decode = (request: UntypedRequest, target: string, data: unknown): Effect.Effect<unknown, unknown> => {
  if (!Frame.isOutcome(data)) return invalidOutcome(nameOf(request), target)
  if (data.success) return decodeSuccess(request, target, data)
  const codec = typeof request === "string" ? undefined : request.failure
  return decodeFailure(nameOf(request), codec, target, data)
}

/** How a stream ends, with this data at its end. */
export const decodeEnd = (
  name: string,
  failure: Codec<unknown> | undefined,
  target: string,
  data: unknown
): Effect.Effect<void, unknown> => {
  if (!Frame.isOutcome(data)) return invalidOutcome(name, target)
  return data.success ? Exit.void : decodeFailure(name, failure, target, data)
}

const decodeSuccess = (request: UntypedRequest, target: string, { data }: Frame.Success) => {
  if (typeof request === "string") return Exit.succeed(data)
  // A Schema may throw.
  return total(() =>
    SyncEffect.mapError(request.success.decode(data), (issue) => {
      const text = ParseResult.TreeFormatter.formatIssueSync(issue)
      return new InvalidResponse({ request: request.name, target, issue: text })
    })
  )
}

const decodeFailure = (
  name: string,
  codec: Codec<unknown> | undefined,
  target: string,
  data: Frame.Failure
): Effect.Effect<never, unknown> => {
  const failure = untypedFailure(name, target, data)
  if (codec === undefined || data.failure === undefined) return Exit.fail(failure)
  return total(() =>
    Effect.matchEffect(codec.decode(data.failure), {
      onFailure: () => Effect.fail(failure),
      onSuccess: Effect.fail
    })
  )
}

const invalidOutcome = (request: string, target: string) =>
  Exit.fail(
    new InvalidResponse({
      request,
      target,
      issue: 'it is neither {"success":true,…} nor {"success":false,"error":"…"}'
    })
  )

const untypedFailure = (request: string, target: string, { error, reason, tag }: Frame.Failure) => {
  // The words of the original, which has no reasons.
  const isUnhandled = reason === "NoHandler" || (tag === undefined && error === `No handler for: ${request}`)
  if (isUnhandled) return new NoHandler({ request, target })
  if (reason === "InvalidPayload") return new InvalidPayload({ request, target, foundBy: "peer", issue: error })
  return new RequestFailed({ request, target, error, ...(typeof tag === "string" ? { tag } : {}) })
}
