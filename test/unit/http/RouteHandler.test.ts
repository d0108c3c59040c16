import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import type { ExchangeMemory } from "../../../layers/http/ExchangeMemory.js"
import { GatewayResponse } from "../../../layers/http/GatewayResponse.js"
import type { RequestBodies } from "../../../layers/http/RequestBodies.js"
import { RouteRuns } from "../../../layers/http/RouteHandler.js"
import { yieldingAt } from "../../support/yielding.js"

describe("RouteRuns", () => {
  it("end where the last handler ends while the fiber that ends them has yielded", () => {
    for (let step = 1; step <= 20; step++) {
      const runs = new RouteRuns({} as RequestBodies, {} as ExchangeMemory)
      const execution = { interrupt: () => {}, isIn: () => false }
      const run = runs.add(execution, new GatewayResponse(new IncomingMessage(new Socket())), {})
      assert.deepStrictEqual([step, yieldingAt(step, runs.end, () => runs.remove(run))], [step, Exit.void])
    }
  })
})
