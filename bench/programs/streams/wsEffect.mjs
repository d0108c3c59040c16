/** The Effect streams that the libraries send, sent over `ws` by hand: a frame an element, as fast as the socket takes them. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { WebSocketServer } from "ws"
import { streamed } from "../effects.mjs"

export { connect } from "./ws.mjs"

export const serve = async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
  server.on("connection", (ws, { socket, url }) => {
    const drained = Effect.async((resume) => {
      socket.once("drain", () => resume(Effect.void))
    })
    const send = (element) => {
      // A fiber that never waits keeps the close event from being handled.
      if (!socket.writable) return Effect.interrupt
      ws.send(JSON.stringify(element))
      return socket.writableNeedDrain ? drained : Effect.void
    }
    const fiber = Effect.runFork(Stream.runForEach(streamed[url.slice(1)], send))
    ws.on("close", () => Effect.runFork(Fiber.interrupt(fiber)))
  })
  await new Promise((resolve) => server.on("listening", resolve))
  return server.address().port
}
