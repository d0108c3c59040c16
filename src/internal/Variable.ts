/**
 * Environment variables. An empty one counts as missing: the line `IPC_PORT=` of an `.env` file, or a compose file's
 * `${IPC_PORT}` that nothing sets.
 *
 * @internal
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { shown } from "./ArgumentIssue.js"

export const text = (name: string): Config.Config<string> =>
  Config.nested(
    Config.primitive("a text property", (value) =>
      value.trim() === ""
        ? Either.left(ConfigError.MissingData([], `Expected ${name} to exist in the process context, and it is empty`))
        : Either.right(value)
    ),
    name
  )

export const secret = (name: string): Config.Config<Redacted.Redacted> => Config.map(text(name), Redacted.make)

/** As `Config.boolean` reads it. */
export const flag = (name: string): Config.Config<boolean> =>
  oneOf(name, "true", "yes", "on", "1", "false", "no", "off", "0").pipe(
    Config.map((value) => ["true", "yes", "on", "1"].includes(value))
  )

export const oneOf = <const Value extends string>(
  name: string,
  ...values: ReadonlyArray<Value>
): Config.Config<Value> =>
  Config.mapOrFail(text(name), (value) => {
    const found = values.find((known) => known === value)
    return found === undefined ? invalid(`one of ${values.join(", ")}`, value) : Either.right(found)
  })

/** `what` is the number that is wanted, for the message. */
export const wholeNumber = (name: string, what: string, lowest: number, highest: number): Config.Config<number> =>
  Config.mapOrFail(text(name), (value) => {
    const number = Number(value)
    const fits = Number.isSafeInteger(number) && number >= lowest && number <= highest
    return fits ? Either.right(number) : invalid(what, value)
  })

/** From 0, which a server takes for any free port, or from 1. */
export const port = (name: string, lowest: 0 | 1): Config.Config<number> =>
  wholeNumber(name, `a port, a whole number from ${lowest} to 65535`, lowest, 65_535)

/** `undefined` where it is missing. */
export const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.map(Config.option(config), Option.getOrUndefined)

const invalid = (what: string, value: string) =>
  Either.left(ConfigError.InvalidData([], `Expected ${what}, not ${shown(value)}`))
