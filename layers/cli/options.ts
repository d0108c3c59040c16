/**
 * The options that several subcommands share.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { BaseUrl, DiscoveryEntry, PathPrefix } from "../../src/DiscoveryEntry.js"
import * as Address from "../ipc/Address.js"
import * as Credentials from "../ipc/Credentials.js"

/**
 * Where the gateway is, or is to be.
 *
 * @since 0.1.0
 * @category models
 */
export interface GatewayAddress {
  readonly host: string
  readonly port: number
  readonly token: Redacted.Redacted | undefined
  readonly tokenScheme: Credentials.TokenScheme
}

/**
 * `--port`, `--host`, `--token` and `--token-scheme`, each with its variable.
 *
 * @since 0.1.0
 * @category options
 */
export const gateway = (lowestPort: 0 | 1): Options.Options<GatewayAddress> =>
  Options.all({
    port: Options.text("port").pipe(
      Options.withPseudoName("number"),
      Options.withFallbackConfig(Config.string("IPC_PORT")),
      Options.withDefault(String(Address.defaultPort)),
      checked("--port (or IPC_PORT)", portFrom(lowestPort)),
      Options.withDescription(`The gateway's port. Default IPC_PORT, else ${Address.defaultPort}.`)
    ),
    host: Options.text("host").pipe(
      Options.withFallbackConfig(Config.string("IPC_HOST")),
      Options.withDefault(Address.defaultHost),
      Options.withDescription(`The gateway's host. Default IPC_HOST, else ${Address.defaultHost}: this machine alone.`)
    ),
    token: Options.redacted("token").pipe(
      Options.withPseudoName("secret"),
      Options.withFallbackConfig(Config.redacted("IPC_TOKEN")),
      Options.optional,
      Options.map(Option.getOrUndefined),
      Options.withDescription(
        "What all who take part have to know, at least 16 bytes. Default IPC_TOKEN, which other users of the machine can't see in the list of processes."
      )
    ),
    tokenScheme: Options.choice("token-scheme", ["proof", "bearer"]).pipe(
      Options.withPseudoName("name"),
      Options.withFallbackConfig(Credentials.tokenScheme),
      Options.withDescription(
        "How a gateway is shown the token: by a proof that doesn't tell it, or as it is (bearer), for a gateway of before 0.2. Default IPC_TOKEN_SCHEME, else proof."
      )
    )
  })

/**
 * @since 0.1.0
 * @category options
 */
export const api: Options.Options<string> = Options.text("api").pipe(
  checked("--api", DiscoveryEntry.fields.api),
  Options.withDescription("The service's name, by which others discover it.")
)

/**
 * @since 0.1.0
 * @category options
 */
export const prefix: Options.Options<string> = Options.text("prefix").pipe(
  checked("--prefix", PathPrefix),
  Options.withDescription("The path below which it is served: /users takes /users and /users/7, not /users2.")
)

/**
 * @since 0.1.0
 * @category options
 */
export const url: Options.Options<string> = Options.text("url").pipe(
  checked("--url", BaseUrl),
  Options.withDescription("Where it listens: http://host:port.")
)

/**
 * The name of this process among the participants. A process id alone isn't enough: containers that share a port may
 * have the same.
 *
 * @since 0.1.0
 * @category constructors
 */
export const runtimeIdFor = (what: string): string => `${what}-${process.pid}-${randomBytes(2).toString("hex")}`

function checked<A>(option: string, schema: Schema.Schema<A, string>) {
  const decode = Schema.decodeEither(schema)
  return Options.mapEffect((text: string) =>
    Effect.mapError(decode(text), (error) => {
      const issue = ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message }) => message)
      return ValidationError.invalidValue(HelpDoc.p(`${option} ${issue.join("; ")}, not ${JSON.stringify(text)}`))
    })
  )
}

function portFrom(lowest: number): Schema.Schema<number, string> {
  const message = () => `must be a whole number from ${lowest} to 65535`
  return Schema.transform(Schema.String.pipe(Schema.pattern(/^\d{1,5}$/, { message })), Schema.Number, {
    strict: true,
    decode: Number,
    encode: String
  }).pipe(Schema.between(lowest, 65_535, { message }))
}
