/**
 * Options, and what is wrong with their values.
 *
 * @internal
 */
import { randomBytes } from "node:crypto"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { BaseUrl, DiscoveryEntry, PathPrefix } from "../../src/DiscoveryEntry.js"
import { quote } from "../../src/internal/Printable.js"
import * as Variable from "../../src/internal/Variable.js"
import * as RoutingStrategy from "../../src/RoutingStrategy.js"
import * as Address from "../ipc/Address.js"
import type { TokenScheme } from "../NodeIPCClient.js"

/** Where the gateway listens, or is to listen, and its token. */
export interface GatewayAddress {
  readonly host: string
  readonly port: number
  readonly token: Redacted.Redacted | undefined
  readonly tokenScheme: TokenScheme
}

/** `--port`, `--host`, `--token` and `--token-scheme`, each with its environment variable. */
export const gateway = (lowestPort: 0 | 1): Options.Options<GatewayAddress> =>
  Options.all({
    port: Options.text("port").pipe(
      Options.withPseudoName("number"),
      Options.withFallbackConfig(Variable.text("IPC_PORT")),
      Options.withDefault(String(Address.defaultPort)),
      checked("--port (or IPC_PORT)", portFrom(lowestPort)),
      Options.withDescription(`The gateway's port. Default IPC_PORT, else ${Address.defaultPort}.`)
    ),
    host: Options.text("host").pipe(
      Options.withFallbackConfig(Variable.text("IPC_HOST")),
      Options.withDefault(Address.defaultHost),
      checked("--host (or IPC_HOST)", hostName()),
      Options.withDescription(`The gateway's host. Default IPC_HOST, else ${Address.defaultHost}: only this machine.`)
    ),
    token: Options.redacted("token").pipe(
      Options.withPseudoName("secret"),
      Options.withFallbackConfig(Variable.secret("IPC_TOKEN")),
      Options.optional,
      Options.map(Option.getOrUndefined),
      Options.withDescription(
        "The token that all participants share, at least 16 bytes. Default IPC_TOKEN, which other users of the machine can't see in the list of processes."
      )
    ),
    tokenScheme: Options.text("token-scheme").pipe(
      Options.withPseudoName("name"),
      Options.withFallbackConfig(Variable.text("IPC_TOKEN_SCHEME")),
      Options.withDefault<string>("proof"),
      checked("--token-scheme (or IPC_TOKEN_SCHEME)", oneOf("proof", "bearer")),
      Options.withDescription(
        "How to show the token to the gateway: proof never sends it; bearer sends it, for gateways before version 0.2. Default IPC_TOKEN_SCHEME, else proof."
      )
    )
  })

/** Where participants meet on NATS, in place of a gateway. */
export interface NatsAddress {
  /** None where `--nats` isn't given. */
  readonly servers: string | undefined
  readonly namespace: string
}

/** `--nats` and `--namespace`, of which the second is of no use without the first. */
export const nats: Options.Options<NatsAddress> = Options.all({
  servers: Options.text("nats").pipe(
    Options.withPseudoName("url"),
    Options.optional,
    Options.map(Option.getOrUndefined),
    Options.withDescription(
      "Look on NATS in place of a gateway: nats://host:port, or several with commas between them. Credentials come from NATS_USER and NATS_PASSWORD, NATS_TOKEN, NATS_NKEY_SEED or NATS_CREDS."
    )
  ),
  namespace: Options.text("namespace").pipe(
    Options.withPseudoName("name"),
    Options.optional,
    Options.map(Option.getOrUndefined),
    Options.withDescription("The namespace on NATS. Default IPC_NAMESPACE, else default.")
  )
}).pipe(
  Options.mapEffect(({ namespace, servers }) => {
    if (servers === undefined && namespace !== undefined) {
      const issue = `--namespace ${quote(namespace)} is one on NATS: pass --nats, too`
      return Effect.fail(ValidationError.invalidValue(HelpDoc.p(issue)))
    }
    const fallback = Config.withDefault(Variable.text("IPC_NAMESPACE"), "default")
    const read = namespace === undefined ? Effect.orDie(fallback) : Effect.succeed(namespace)
    return Effect.map(read, (name) => ({ servers, namespace: name }))
  })
)

export const inspectorPort: Options.Options<number> = Options.text("inspector-port").pipe(
  Options.withPseudoName("number"),
  Options.withFallbackConfig(Variable.text("IPC_INSPECTOR_PORT")),
  Options.withDefault("0"),
  checked("--inspector-port (or IPC_INSPECTOR_PORT)", portFrom(0)),
  Options.withDescription("The port of the inspector's page. Default IPC_INSPECTOR_PORT, else any free one.")
)

export const drain: Options.Options<Duration.Duration> = Options.text("drain").pipe(
  Options.withPseudoName("seconds"),
  Options.withDefault("3"),
  checked("--drain", seconds()),
  Options.withDescription("How long HTTP exchanges in flight may take to end once the gateway is stopped. Default 3.")
)

export const timeout: Options.Options<Duration.Duration> = Options.text("timeout").pipe(
  Options.withPseudoName("seconds"),
  Options.withDefault("10"),
  checked("--timeout", seconds()),
  Options.withDescription("How long to wait for an instance and its first answer. Default 10.")
)

export const strategy: Options.Options<RoutingStrategy.RoutingStrategyName> = Options.text("strategy").pipe(
  Options.withPseudoName("name"),
  Options.withDefault<string>("roundRobin"),
  checked("--strategy", oneOf(...RoutingStrategy.RoutingStrategyName.literals)),
  Options.withDescription(
    `How to choose among a service's instances: ${RoutingStrategy.RoutingStrategyName.literals.join(", ")}. Default roundRobin.`
  )
)

export const api: Options.Options<string> = Options.text("api").pipe(
  checked("--api", DiscoveryEntry.fields.api),
  Options.withDescription("The service's name, by which others discover it.")
)

export const prefix: Options.Options<string> = Options.text("prefix").pipe(
  checked("--prefix", PathPrefix),
  Options.withDescription("The service's path prefix: /users takes /users and /users/7, not /users2.")
)

export const url: Options.Options<string> = Options.text("url").pipe(
  checked("--url", BaseUrl),
  Options.withDescription("The service's URL: http://host:port.")
)

/**
 * The name of this process among the participants. A process id alone isn't unique: containers that share a port may have
 * the same.
 */
export const runtimeIdFor = (what: string): string => `${what}-${process.pid}-${randomBytes(2).toString("hex")}`

function checked<A>(option: string, schema: Schema.Schema<A, string>) {
  const decode = Schema.decodeEither(schema)
  return Options.mapEffect((text: string) =>
    Effect.mapError(decode(text), (error) => {
      const issue = ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message }) => message)
      const what = issue.join("; ")
      const value = what.includes("must not") ? `: ${quote(text)}` : `, not ${quote(text)}`
      return ValidationError.invalidValue(HelpDoc.p(`${option} ${what}${text === "" ? "" : value}`))
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

function oneOf<const Name extends string>(...names: ReadonlyArray<Name>): Schema.Schema<Name, string> {
  const isName = (text: string): text is Name => names.some((name) => name === text)
  return Schema.String.pipe(Schema.filter(isName, { message: () => `must be one of ${names.join(", ")}` }))
}

function hostName(): Schema.Schema<string> {
  const message = () => "must be a host name or an IP address, without scheme and port"
  return Schema.String.pipe(Schema.filter(Address.isHost, { message }))
}

function seconds(): Schema.Schema<Duration.Duration, string> {
  const message = () => "must be a number of seconds, such as 3 or 0.5"
  return Schema.transform(
    Schema.String.pipe(Schema.pattern(/^\d{1,9}(\.\d{1,3})?$/, { message })),
    Schema.DurationFromSelf,
    {
      strict: true,
      decode: (text) => Duration.seconds(Number(text)),
      encode: (duration) => String(Duration.toSeconds(duration))
    }
  )
}
