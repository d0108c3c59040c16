import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { GatewayResponse } from "../../../layers/http/GatewayResponse.js"
import * as ResponseBody from "../../../layers/http/ResponseBody.js"
import { yieldingAt } from "../../support/yielding.js"

/** A client's socket that takes everything at once. */
class Taking extends Duplex {
  taken = 0

  constructor() {
    super({ writableHighWaterMark: 1024 * 1024 })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: () => void): void {
    this.taken += chunk.length
    written()
  }
}

describe("ResponseBody", () => {
  it("a stream goes on where its client has read while the fiber had yielded", () => {
    for (let step = 1; step <= 120; step++) {
      const response = new GatewayResponse(new IncomingMessage(new Socket()))
      const body = Stream.make(Buffer.alloc(200_000), Buffer.alloc(1))
      const sent = ResponseBody.sendStream(response, { status: 200, statusText: undefined, headers: {} }, body)
      const exit = yieldingAt(step, sent, () => response.assignSocket(new Taking() as unknown as Socket))
      assert.deepStrictEqual([step, exit], [step, Exit.void])
    }
  })
})
