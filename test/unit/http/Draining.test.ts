import { IncomingMessage, ServerResponse } from "node:http"
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import * as Draining from "../../../layers/http/Draining.js"
import { yieldingAt } from "../../support/yielding.js"

describe("Draining", () => {
  it("ends where the last response ends while the fiber that waits for it has yielded", () => {
    for (let step = 1; step <= 120; step++) {
      const socket = new Socket()
      new ServerResponse(new IncomingMessage(socket)).assignSocket(socket)
      const exit = yieldingAt(step, Draining.drain([socket], "1 minute"), () => socket.emit("close"))
      assert.deepStrictEqual([step, exit], [step, Exit.void])
    }
  })
})
