/**
 * How NATS is reached.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"

/**
 * What a participant shows of itself to the server.
 *
 * @since 0.2.0
 * @category models
 */
export interface NatsCredentials {
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  readonly token?: Redacted.Redacted | undefined
  /** The seed of an nkey. */
  readonly nkeySeed?: Redacted.Redacted | undefined
  /** A `.creds` file: a user's JWT and seed. Read again for each connection. */
  readonly credsFile?: string | undefined
  /** TLS, with PEM files: the authority that has signed the server's certificate, this client's own certificate and its key. */
  readonly tls?:
    | {
        readonly caFile?: string | undefined
        readonly certFile?: string | undefined
        readonly keyFile?: string | undefined
      }
    | boolean
    | undefined
}

/**
 * Where NATS is, and how to connect to it.
 *
 * @since 0.2.0
 * @category models
 */
export interface NatsConnectionOptions {
  /**
   * `nats://host:port`, one or several of a cluster; `tls://host:port` connects by TLS or not at all. Default
   * `nats://127.0.0.1:4222`. `user:password@` or `token@` before the first host that has it is taken where there are no
   * `credentials`.
   */
  readonly servers?: string | ReadonlyArray<string> | undefined
  readonly credentials?: NatsCredentials | undefined
  /** How long the first connection may take. Default 5 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
}
