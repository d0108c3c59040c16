/**
 * How a subcommand fails: a line for the user, and an exit code.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import type { ConnectFailed, InvalidToken, ListenFailed, RequestError, TokenRequired } from "../../src/IPCError.js"
import { urlOf } from "../ipc/Address.js"
import type { GatewayAddress } from "./options.js"

/** Exit codes other than that of the command that `run` runs. The last two are those of a shell. */
export const exitCodes = { failure: 1, usage: 2, notExecutable: 126, notFound: 127 } as const

export class CommandFailed extends Schema.TaggedError<CommandFailed>("effect-ipc/cli/CommandFailed")("CommandFailed", {
  message: Schema.String,
  exitCode: Schema.Number
}) {}

/** An error of the library in the words of the command line: `--token` in place of `{ token }`. */
export const explain =
  (address: GatewayAddress) =>
  (
    error: CommandFailed | ConnectFailed | ListenFailed | TokenRequired | InvalidToken | RequestError
  ): CommandFailed => {
    switch (error._tag) {
      case "CommandFailed":
        return error
      case "ConnectFailed":
        return failure(connectMessage(error, address))
      case "ListenFailed":
        return failure(
          `Could not listen on ${error.host}:${error.port}: ${error.reason} (${error.code}). Check --host and --port.`
        )
      case "TokenRequired":
        return failure(
          `Listening on ${error.host} lets other machines connect. Set IPC_TOKEN (or pass --token), which clients then present, or pass --allow-without-token if none is wanted.`
        )
      case "InvalidToken":
        return failure(
          `The token can't be used: ${error.issue}. Pass a random one, such as "openssl rand -hex 32" prints, in IPC_TOKEN (or by --token).`
        )
      case "NoHandler":
        return failure(`${held(address)} a server that keeps no routes. ${elsewhere}`)
      case "RequestTimeout":
      case "ConnectionClosed":
        return failure(`The gateway at ${urlOf(address)} doesn't answer: ${firstSentence(error.message)}`)
      default:
        return failure(`The gateway at ${urlOf(address)} can't be used: ${error.message}`)
    }
  }

export const failure = (message: string): CommandFailed => new CommandFailed({ message, exitCode: exitCodes.failure })

export const heldByAnotherGateway = (address: GatewayAddress): CommandFailed =>
  failure(`${held(address)} another gateway (effect-ipc serve). ${elsewhere}`)

export const heldByStranger = (address: GatewayAddress, said: string): CommandFailed =>
  failure(`${held(address)} something that isn't effect-ipc: ${said}. ${elsewhere}`)

const held = ({ host, port }: GatewayAddress): string => `Port ${port} on ${host} is held by`

const elsewhere = "Stop it, or choose another port with --port (or IPC_PORT)."

const connectMessage = ({ detail, reason, status }: ConnectFailed, address: GatewayAddress): string => {
  switch (reason) {
    case "Refused":
      // `Refused` also stands for a connection that was closed before an answer.
      if (!detail.includes("ECONNREFUSED")) return heldByStranger(address, "it closes the connection").message
      return `Nothing listens at ${urlOf(address)}. Start a gateway with "effect-ipc serve --port ${address.port}", or a service that takes part there.`
    case "Unreachable":
      return `Could not reach ${urlOf(address)}: ${detail}. Check --host.`
    case "TimedOut":
      return heldByStranger(address, "it doesn't answer").message
    case "Rejected":
      if (status !== 401) return heldByStranger(address, detail).message
      return address.token === undefined
        ? `The gateway at ${urlOf(address)} asks for its token: set IPC_TOKEN, or pass --token.`
        : `The gateway at ${urlOf(address)} can't be used with this token: ${detail}. Check IPC_TOKEN (or --token).`
  }
}

const firstSentence = (message: string): string => `${message.split(". ", 1)[0]?.replace(/\.$/, "")}.`
