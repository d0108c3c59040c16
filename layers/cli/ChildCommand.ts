/**
 * The command after `--` on the command line of `run`, with arguments of its own.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/** The words after `--`, unchanged. */
export class ChildCommand extends Context.Tag("effect-ipc/cli/ChildCommand")<ChildCommand, ReadonlyArray<string>>() {
  static readonly layer = (words: ReadonlyArray<string>): Layer.Layer<ChildCommand> => Layer.succeed(this, words)
}
