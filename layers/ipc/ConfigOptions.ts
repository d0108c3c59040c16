/**
 * Options from Effect's Config: which variables the environment has, and how given options are laid over them.
 *
 * @since 0.2.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Variable from "../../src/internal/Variable.js"

/**
 * Options of a `layerConfig`: one Config of them all, or of each a value or a Config. What is given here is used instead
 * of the environment's variable.
 *
 * @since 0.2.0
 * @category models
 */
export type ConfigOptions<Options> =
  | Config.Config<Options>
  | { readonly [Name in keyof Options]?: Options[Name] | Config.Config<NonNullable<Options[Name]>> | undefined }

/**
 * The options that the environment may have, by name.
 *
 * @internal
 */
export type Environment<Options> = { readonly [Name in keyof Options]?: Config.Config<Options[Name]> }

/**
 * The given options, read, without those that are `undefined`.
 *
 * @internal
 */
export const given = <Options extends object>(
  options: ConfigOptions<Options>
): Effect.Effect<Partial<Options>, ConfigError> =>
  Effect.map(
    Config.isConfig(options) ? (options as Config.Config<Options>) : each<Options>(options),
    (values) =>
      Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<Options>
  )

/**
 * The environment's options, of which only those are read that aren't given, and the given ones.
 *
 * @internal
 */
export const over = <Options extends object>(
  environment: Environment<Options>,
  options: Partial<Options>
): Effect.Effect<Options, ConfigError> =>
  Effect.map(
    each<Options>(Object.fromEntries(Object.entries(environment).filter(([name]) => !(name in options)))),
    (variables) => ({ ...variables, ...options }) as Options
  )

/** Reads the values that are Configs. */
const each = <Options>(values: object): Effect.Effect<Partial<Options>, ConfigError> => {
  const configs = Object.entries(values).map(([name, value]) => [
    name,
    Config.isConfig(value) ? value : Config.succeed(value)
  ])
  // Config.all takes no empty record.
  return configs.length === 0 ? Effect.succeed({}) : (Config.all(Object.fromEntries(configs)) as never)
}

/**
 * `given`, laid over the environment.
 *
 * @internal
 */
export const read = <Options extends object>(
  environment: Environment<Options>,
  options: ConfigOptions<Options> = {}
): Effect.Effect<Options, ConfigError> => Effect.flatMap(given(options), (present) => over(environment, present))

/**
 * The environment's variables as one Config.
 *
 * @internal
 */
export const all = <Options extends object>(environment: Environment<Options>): Config.Config<Options> =>
  Config.all(environment as { readonly [name: string]: Config.Config<unknown> }) as unknown as Config.Config<Options>

/** @internal */
export const url = Variable.optional(Variable.text("IPC_URL"))

/** @internal */
export const host = Variable.optional(Variable.text("IPC_HOST"))

/** @internal Of a server. */
export const port = Variable.optional(Variable.port("IPC_PORT", 0))

/** @internal Of a client and a participant: with any free port, none would meet another. */
export const knownPort = Variable.optional(Variable.port("IPC_PORT", 1))

/** @internal */
export const metrics = Variable.optional(Variable.flag("IPC_METRICS"))

/** @internal */
export const runtimeId = Variable.optional(Variable.text("IPC_RUNTIME_ID"))
