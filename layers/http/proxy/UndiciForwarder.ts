/**
 * Forwards by undici.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { durationIssue } from "../../../src/internal/ArgumentIssue.js"
import { logDefect } from "../../../src/internal/DefectLog.js"
import { LinkedList } from "../../../src/internal/LinkedList.js"
import { check, type OptionNames } from "../../../src/internal/OptionNames.js"
import * as RunFork from "../../../src/internal/RunFork.js"
import type { MakeForwarder } from "./Forwarder.js"
import { type ProxyContext, ProxyExchange } from "./ProxyExchange.js"
import * as UpstreamPool from "./UpstreamPool.js"
import type { UpstreamTls } from "./UpstreamTls.js"

/**
 * How undici reaches upstreams.
 *
 * @since 0.2.0
 * @category models
 */
export interface UndiciOptions {
  /** How long an upstream may take to answer with its headers. Default 5 minutes. */
  readonly headersTimeout?: Duration.DurationInput | undefined
  /** How long an upstream may take to accept a connection. Default 10 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** For `https:` upstreams. Default: certificates of the authorities that Node knows. */
  readonly tls?: UpstreamTls | undefined
}

/**
 * @internal
 */
export const make = (options: UndiciOptions = {}): MakeForwarder => {
  check("UndiciUpstream", options, {
    headersTimeout: durationIssue,
    connectTimeout: durationIssue,
    tls: true
  } satisfies OptionNames<UndiciOptions>)
  return Effect.gen(function* () {
    const fork = Runtime.runFork(yield* RunFork.runtime<never>())
    const pool = UpstreamPool.make({
      headersTimeout: Duration.toMillis(options.headersTimeout ?? "5 minutes"),
      connectTimeout: Duration.toMillis(options.connectTimeout ?? "10 seconds"),
      tls: options.tls ?? {}
    })
    const exchanges = new LinkedList<ProxyExchange>()
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => {
        for (const exchange of exchanges.entries()) exchange.abort()
        return pool.close()
      })
    )
    const context: ProxyContext = {
      pool,
      exchanges,
      onDefect: (what, defect) => {
        fork(logDefect(what, defect))
      }
    }
    return { forward: (exchange) => new ProxyExchange(context, exchange).dispatch() }
  })
}
