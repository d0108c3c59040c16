/**
 * The command after `--` on the command line of `run`, with arguments of its own.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/** The words after `--`, unchanged. */
export class ChildCommand extends Context.Tag("effect-ipc/cli/ChildCommand")<ChildCommand, ReadonlyArray<string>>() {
  /**
   * Splits the command line at `--`. @effect/cli looks for `--help`, `--version` and `--log-level` after `--` too, so it
   * must not see that part.
   */
  static readonly split = (argv: ReadonlyArray<string>): readonly [own: Array<string>, child: Array<string>] => {
    const dashes = argv.indexOf("--")
    return dashes === -1 || subcommandOf(argv.slice(0, dashes)) !== "run"
      ? [[...argv], []]
      : [argv.slice(0, dashes), argv.slice(dashes + 1)]
  }

  static readonly layer = (words: ReadonlyArray<string>): Layer.Layer<ChildCommand> => Layer.succeed(this, words)
}

/** The subcommand that the command line is for, as @effect/cli finds it. */
export const subcommandOf = (argv: ReadonlyArray<string>): string | undefined =>
  argv.slice(2).find((word) => subcommands.has(word))

const subcommands: ReadonlySet<string> = new Set(["serve", "register", "run", "routes"])
