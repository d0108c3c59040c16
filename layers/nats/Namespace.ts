/**
 * What a namespace is called in NATS.
 *
 * @internal
 */
import * as Either from "effect/Either"
import { NatsFailed } from "../../src/IPCError.js"

/** The name of its bucket. */
export const bucketOf = (namespace: string, servers: string): Either.Either<string, NatsFailed> => {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(namespace)) return Either.right(`effect-ipc-${namespace}`)
  const detail = `the namespace ${JSON.stringify(namespace)} has other than letters, digits, "-" and "_", or more than 64`
  return Either.left(new NatsFailed({ reason: "InvalidOptions", servers, detail }))
}
