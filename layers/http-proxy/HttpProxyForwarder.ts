/**
 * Forwards by http-proxy.
 *
 * @internal
 */
import * as http from "node:http"
import * as https from "node:https"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import httpProxy from "http-proxy"
import { logDefect } from "../../src/internal/DefectLog.js"
import { LinkedList } from "../../src/internal/LinkedList.js"
import { check } from "../../src/internal/OptionNames.js"
import * as RunFork from "../../src/internal/RunFork.js"
import type { MakeForwarder } from "../UpstreamProxy.js"
import { HttpProxyExchange, type ProxyContext } from "./HttpProxyExchange.js"
import { type HttpProxyOptions, optionNames } from "./HttpProxyOptions.js"

/**
 * @internal
 */
export const make = (options: HttpProxyOptions = {}): MakeForwarder => {
  check("HttpProxyUpstream", options, optionNames)
  return Effect.gen(function* () {
    const fork = Runtime.runFork(yield* RunFork.runtime<never>())
    const agents = { "http:": new http.Agent({ keepAlive: true }), "https:": new https.Agent({ keepAlive: true }) }
    const context: ProxyContext = {
      proxy: httpProxy.createProxyServer({}),
      options,
      agentOf: (protocol) => options.agent ?? agents[protocol],
      exchanges: new LinkedList(),
      outgoing: new Set(),
      onDefect: (what, defect) => {
        fork(logDefect(what, defect))
      }
    }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const exchange of context.exchanges.entries()) exchange.abort()
        for (const request of context.outgoing) request.destroy()
        for (const agent of Object.values(agents)) agent.destroy()
      })
    )
    return { forward: (exchange) => new HttpProxyExchange(context, exchange).begin() }
  })
}
