/**
 * `effect-ipc run`: starts a service in any language, and registers it while it listens.
 *
 * @internal
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Discovery } from "../../src/Discovery.js"
import * as ListeningPort from "../process/ListeningPort.js"
import { ChildCommand } from "./ChildCommand.js"
import { CommandFailed, exitCodes, failure } from "./CommandFailed.js"
import { api, type GatewayAddress, gateway, prefix } from "./options.js"
import * as Participant from "./Participant.js"
import * as SupervisedChild from "./SupervisedChild.js"

interface RunOptions {
  readonly address: GatewayAddress
  readonly api: string
  readonly prefix: string
}

/**
 * Scopes close in reverse order: the service is unregistered, then the command is signalled and waited for, then this
 * participant leaves. So no request goes to a service that is being stopped.
 */
export const run = Command.make(
  "run",
  {
    address: gateway(1),
    api,
    prefix,
    command: Args.text({ name: "command" }).pipe(
      Args.withDescription("The command and its arguments, best after --."),
      Args.repeated
    )
  },
  ({ command, ...options }) =>
    Effect.gen(function* () {
      const { address, api, prefix } = options
      const [program = "", ...args] = [...command, ...(yield* ChildCommand)]
      if (program === "") {
        const message = `run needs a command: effect-ipc run --api ${api} --prefix ${prefix} -- node server.js`
        return yield* new CommandFailed({ message, exitCode: exitCodes.usage })
      }
      const discovery = yield* Participant.join(address, api)
      const port = yield* Effect.mapError(ListeningPort.free, ({ message }) => failure(`No port is free: ${message}.`))
      const child = yield* SupervisedChild.start(program, args, { PORT: String(port) })
      yield* Effect.raceFirst(child.ended, registerOnceListening(discovery, port, options))
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Runs the command after -- with a free port in PORT, registers the service when it listens there, and ends with its exit code."
  )
)

const registerOnceListening = (discovery: Discovery.Service, port: number, { address, api, prefix }: RunOptions) =>
  Effect.gen(function* () {
    const hint = yield* Effect.logWarning(`${api} doesn't listen on port ${port} yet. Does it read PORT?`).pipe(
      Effect.delay("10 seconds"),
      Effect.fork
    )
    const baseUrl = yield* ListeningPort.awaitListening(port)
    yield* Fiber.interrupt(hint)
    yield* Participant.register(discovery, { api, baseUrl, pathPrefix: prefix })
    yield* Effect.logInfo(`${api} at ${baseUrl} is served at port ${address.port} below ${prefix}`)
    return yield* Effect.never
  })
