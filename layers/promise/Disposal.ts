/**
 * `await using`, in realms without `Symbol.asyncDispose` too.
 *
 * @internal
 */
const registered = Symbol.for("Symbol.asyncDispose") as typeof Symbol.asyncDispose

/**
 * `Symbol.asyncDispose`. A vm context of Node 20 has none, where code that was compiled for older targets looks up the
 * registered symbol instead.
 */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? registered
