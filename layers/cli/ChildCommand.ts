/**
 * What follows `--` on the command line of `run`: a command of its own, none of whose arguments are ours.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/**
 * The words after `--`, untouched.
 *
 * @since 0.1.0
 * @category tags
 */
export class ChildCommand extends Context.Tag("effect-ipc/cli/ChildCommand")<ChildCommand, ReadonlyArray<string>>() {
  /**
   * Parts the command line at `--`. @effect/cli looks for its own `--help`, `--version` and `--log-level` behind the
   * dashes too, so it must not see what is there.
   *
   * @since 0.1.0
   */
  static readonly split = (argv: ReadonlyArray<string>): readonly [own: Array<string>, child: Array<string>] => {
    const dashes = argv.indexOf("--")
    return dashes === -1 || subcommandOf(argv.slice(0, dashes)) !== "run"
      ? [[...argv], []]
      : [argv.slice(0, dashes), argv.slice(dashes + 1)]
  }

  /**
   * @since 0.1.0
   */
  static readonly layer = (words: ReadonlyArray<string>): Layer.Layer<ChildCommand> => Layer.succeed(this, words)
}

/**
 * The subcommand that the command line is for, as @effect/cli finds it.
 *
 * @since 0.1.0
 * @category parsing
 */
export const subcommandOf = (argv: ReadonlyArray<string>): string | undefined =>
  argv.slice(2).find((word) => subcommands.has(word))

const subcommands: ReadonlySet<string> = new Set(["serve", "register", "run", "routes"])
