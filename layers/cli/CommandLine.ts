/**
 * The command line before it is parsed. Imports nothing: `--help` loads no more than it prints.
 *
 * @internal
 */

const subcommands: ReadonlySet<string> = new Set([
  "serve",
  "register",
  "run",
  "routes",
  "inspect",
  "traffic",
  "request",
  "stream"
])

/** The subcommand that the command line runs, as @effect/cli finds it. */
export const subcommandOf = (argv: ReadonlyArray<string>): string | undefined =>
  argv.slice(2).find((word) => subcommands.has(word))

/**
 * Splits the command line of `run` at `--`. @effect/cli looks for `--help`, `--version` and `--log-level` after `--` too, so
 * it must not see that part.
 */
export const split = (argv: ReadonlyArray<string>): readonly [own: Array<string>, child: Array<string>] => {
  const dashes = argv.indexOf("--")
  return dashes === -1 || subcommandOf(argv.slice(0, dashes)) !== "run"
    ? [[...argv], []]
    : [argv.slice(0, dashes), argv.slice(dashes + 1)]
}

/** Whose help the command line asks for: a subcommand's, or with `""` the command's. */
export const helpWanted = (argv: ReadonlyArray<string>): string | undefined => {
  const [own] = split(argv)
  const isWanted = own.length <= 2 || own.includes("--help") || own.includes("-h")
  return isWanted ? (subcommandOf(own) ?? "") : undefined
}
