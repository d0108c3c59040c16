/**
 * `effect-ipc register`: registers a service in any language that runs already.
 *
 * @internal
 */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { explain, failure } from "./CommandFailed.js"
import * as Output from "./Output.js"
import { api, gateway, prefix, url } from "./options.js"
import * as Participant from "./Participant.js"

export const register = Command.make(
  "register",
  { address: gateway(1), api, prefix, url },
  ({ address, api, prefix, url }) =>
    Effect.gen(function* () {
      const discovery = yield* Participant.join(address, api)
      const gatewayUrl = yield* discovery.register([{ api, baseUrl: url, pathPrefix: prefix }]).pipe(
        Effect.zipRight(discovery.discover(api)),
        Effect.mapError((error) =>
          error._tag === "InvalidEntry" ||
          error._tag === "RegistryLimitExceeded" ||
          error._tag === "EntryUnsupported" ||
          error._tag === "ServiceNotRegistered"
            ? failure(error.message)
            : explain(address)(error)
        )
      )
      yield* Output.print(`${api} at ${url} is served at ${gatewayUrl}${prefix}`)
      return yield* Effect.never
    }).pipe(Effect.scoped)
).pipe(Command.withDescription("Registers a service that runs already, until stopped. Leads where there is no leader."))
