/**
 * A gateway for a suite, on a free port of its own, with discovery and interception.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Discovery } from "../../src/Discovery.js"
import type { HttpGateway } from "../../src/HttpGateway.js"
import type { HttpInterception } from "../../src/HttpInterception.js"
import type { ListenError } from "../../src/IPCError.js"
import type { IPCPeer } from "../../src/IPCPeer.js"
import type { IPCServer } from "../../src/IPCServer.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { issueOf, type OptionNames } from "../../src/internal/OptionNames.js"
import type { LeaderElection } from "../../src/LeaderElection.js"
import * as LocalDiscovery from "../LocalDiscovery.js"
import * as NodeHttpInterception from "../NodeHttpInterception.js"
import { realTime } from "../process/RealClock.js"
import { endWithRunner } from "./RunnerProcess.js"

/**
 * How the suite's gateway is discovered, and what its interceptors record.
 *
 * @since 0.1.0
 * @category models
 */
export interface GatewayTestOptions
  extends LocalDiscovery.LocalDiscoveryOptions,
    NodeHttpInterception.HttpInterceptionOptions {}

/**
 * The services of a suite.
 *
 * @since 0.1.0
 * @category models
 */
export type GatewayTest = IPCServer | IPCPeer | Discovery | LeaderElection | HttpInterception | HttpGateway

/**
 * Runs a gateway until the scope closes; parallel suites have one each. Its timeouts and the delays of its faults use the
 * real clock, in `it.effect` too, because its sockets do. A process that is stopped (in a debugger, or on a busy machine) is
 * dropped after two heartbeats. A heartbeat is one minute unless `heartbeat` is given.
 *
 * @example
 * ```ts
 * import { GatewayTest } from "effect-ipc/testing"
 * import { Discovery, HttpInterception, Intercept, IPCServer } from "effect-ipc"
 * import { assert, layer } from "@effect/vitest"
 * import { Effect } from "effect"
 *
 * layer(GatewayTest.layer())("orders", (it) => {
 *   it.scoped("asks users for the name", () =>
 *     Effect.gen(function* () {
 *       const http = yield* HttpInterception
 *       const { url } = yield* IPCServer
 *       yield* http.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Ada" }))
 *       const response = yield* Effect.promise(() => fetch(`${url}/users/7`))
 *       assert.deepStrictEqual(yield* Effect.promise(() => response.json()), { name: "Ada" })
 *     })
 *   )
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: GatewayTestOptions = {}): Layer.Layer<GatewayTest, ListenError> => {
  checkOptions("GatewayTest.layer", options)
  const { cors, maxRecordedBytes, maxTotalRecordedBytes, ...participant } = options ?? {}
  const interception = { cors, maxRecordedBytes, maxTotalRecordedBytes }
  const gateway = LocalDiscovery.layerStandalone({ port: 0, heartbeat: "1 minute", drainTimeout: 0, ...participant })
  const stack = Layer.provideMerge(NodeHttpInterception.layer(interception), gateway)
  return Layer.scopedContext(Effect.zipRight(endWithRunner, realTime(Layer.build(stack))))
}

/**
 * Throws a `TypeError` where an option has an unknown name or a wrong value.
 *
 * @internal
 */
export const checkOptions = (call: string, options: GatewayTestOptions = {}): void => {
  const { cors, maxRecordedBytes, maxTotalRecordedBytes } = options ?? {}
  ArgumentIssue.refuse(
    call,
    issueOf("its options", options, optionNames) ??
      ArgumentIssue.flagIssue("cors", cors) ??
      (maxRecordedBytes === undefined ? undefined : ArgumentIssue.bytesIssue("maxRecordedBytes", maxRecordedBytes)) ??
      (maxTotalRecordedBytes === undefined
        ? undefined
        : ArgumentIssue.bytesIssue("maxTotalRecordedBytes", maxTotalRecordedBytes))
  )
}

const optionNames: OptionNames<GatewayTestOptions> = {
  port: true,
  maxRecordedBytes: true,
  maxTotalRecordedBytes: true,
  cors: true,
  ...LocalDiscovery.optionNames
}
