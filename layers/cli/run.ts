/**
 * `effect-ipc run`: starts a service in any language, and registers it for as long as it listens.
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { ChildCommand } from "./ChildCommand.js"
import { CommandFailed, exitCodes } from "./CommandFailed.js"
import * as ListeningPort from "./ListeningPort.js"
import { api, gateway, prefix } from "./options.js"
import * as Participant from "./Participant.js"
import * as SupervisedChild from "./SupervisedChild.js"

/**
 * Scopes close from the last to the first: the entry goes, then the child is told and waited for, then this participant
 * leaves. So no request is sent to a child that is being stopped.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = Command.make(
  "run",
  { address: gateway(1), api, prefix, command: Args.text({ name: "command" }).pipe(Args.repeated) },
  ({ address, api, command, prefix }) =>
    Effect.gen(function* () {
      const [program, ...args] = [...command, ...(yield* ChildCommand)]
      if (program === undefined) {
        const message = `What is to run? For example: effect-ipc run --api ${api} --prefix ${prefix} -- node server.js`
        return yield* new CommandFailed({ message, exitCode: exitCodes.usage })
      }
      const discovery = yield* Participant.join(address, api)
      const port = yield* ListeningPort.free
      const child = yield* SupervisedChild.start(program, args, { PORT: String(port) })
      const keepRegistered = Effect.gen(function* () {
        const baseUrl = yield* ListeningPort.awaitListening(port, api)
        yield* Effect.matchEffect(discovery.register([{ api, baseUrl, pathPrefix: prefix }]), {
          // It stays to be registered with the next leader, and a service isn't stopped for the gateway's sake.
          onFailure: (error) => Effect.logWarning(`${api} isn't registered yet: ${error.message}`),
          onSuccess: () => Effect.logInfo(`${api} at ${baseUrl} is served at port ${address.port} below ${prefix}`)
        })
        return yield* Effect.never
      })
      yield* Effect.raceFirst(child.ended, keepRegistered)
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Runs the command after -- with a free port in PORT, registers it once it listens, and ends with its exit code."
  )
)
