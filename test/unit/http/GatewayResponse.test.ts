import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { Duplex } from "node:stream"
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

  it("sends its head and the text that ends it by one write", () => {
    const writesOf = (end: (response: GatewayResponse) => void, method = "GET") => {
      const writes: Array<ReadonlyArray<string>> = []
      const socket = new Duplex({
        read: () => {},
        write: (chunk, _, done) => {
          writes.push([String(chunk)])
          done()
        },
        writev: (chunks, done) => {
          writes.push(chunks.map(({ chunk }) => String(chunk)))
          done()
        }
      })
      const request = new IncomingMessage(new Socket())
      request.httpVersionMajor = 1
      request.httpVersionMinor = 1
      request.method = method
      const response = new GatewayResponse(request)
      response.sendDate = false
      response.assignSocket(socket as Socket)
      end(response)
      assert.isTrue(response.writableFinished)
      return writes
    }
    const sized = (response: GatewayResponse) => {
      response.writeHead(200, ["content-length", "6"])
      response.end("naïf.", "utf8")
    }
    const head = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nConnection: keep-alive\r\n\r\n"
    const writes = {
      sized: writesOf(sized),
      toHead: writesOf(sized, "HEAD"),
      chunked: writesOf((response) => response.writeHead(200).end("text"))
    }
    assert.deepStrictEqual(writes, {
      sized: [[`${head}naïf.`]],
      toHead: [[head]],
      chunked: [
        [
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n4",
          "\r\n",
          "text",
          "\r\n",
          "0\r\n\r\n"
        ]
      ]
    })
  })
})
