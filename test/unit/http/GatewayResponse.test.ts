import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { GatewayResponse } from "../../../layers/http/GatewayResponse.js"

describe("GatewayResponse", () => {
  it("is seen where it has a tap, or where its write function or its socket's was replaced", () => {
    const isSeen = (change: (response: GatewayResponse, socket: Socket) => void) => {
      const socket = new Socket()
      const response = new GatewayResponse(new IncomingMessage(socket))
      response.assignSocket(socket)
      change(response, socket)
      return response.isSeen
    }
    const seen = {
      plain: isSeen(() => {}),
      tapped: isSeen((response) => response.tap({})),
      replaced: isSeen((response) => {
        response.write = () => true
      }),
      socketReplaced: isSeen((_, socket) => {
        socket.write = () => true
      })
    }
    assert.deepStrictEqual(seen, { plain: false, tapped: true, replaced: true, socketReplaced: true })
  })
})
