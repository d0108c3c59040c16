/**
 * From a response's data to how the request ends.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ParseResult from "effect/ParseResult"
import { InvalidPayload, InvalidResponse, NoHandler, RequestFailed } from "../IPCError.js"
import type { UntypedRequest } from "../IPCRequest.js"
import { nameOf } from "../IPCRequest.js"
import { total } from "../internal/CallbackEffect.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import * as Frame from "./Frame.js"

/** How the request to this target ends with this response. */
export const decode = (request: UntypedRequest, target: string, data: unknown): Effect.Effect<unknown, unknown> => {
  if (!Frame.isOutcome(data)) {
    const issue = 'it is neither {"success":true,…} nor {"success":false,"error":"…"}'
    return Exit.fail(new InvalidResponse({ request: nameOf(request), target, issue }))
  }
  return data.success ? decodeSuccess(request, target, data) : decodeFailure(request, target, data)
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

const decodeFailure = (request: UntypedRequest, target: string, data: Frame.Failure) => {
  const failure = untypedFailure(nameOf(request), target, data)
  if (typeof request === "string" || data.failure === undefined) return Exit.fail(failure)
  return total(() =>
    Effect.matchEffect(request.failure.decode(data.failure), {
      onFailure: () => Effect.fail(failure),
      onSuccess: Effect.fail
    })
  )
}

const untypedFailure = (request: string, target: string, { error, reason, tag }: Frame.Failure) => {
  // The words of the original, which has no reasons.
  const isUnhandled = reason === "NoHandler" || (tag === undefined && error === `No handler for: ${request}`)
  if (isUnhandled) return new NoHandler({ request, target })
  if (reason === "InvalidPayload") return new InvalidPayload({ request, target, foundBy: "peer", issue: error })
  return new RequestFailed({ request, target, error, ...(typeof tag === "string" ? { tag } : {}) })
}
