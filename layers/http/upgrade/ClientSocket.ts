/**
 * The client's socket of an upgrade request, after Node's server has detached its parser from it.
 *
 * @internal
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

/**
 * Calls `then` once every response to the requests before the upgrade is sent; never if the socket closes first.
 *
 * @internal
 */
export const inTurn = (socket: Duplex, then: () => void): void => {
  const response = responseOn(socket)
  if (response === undefined) return then()
  // Node has removed its own listeners for these.
  const onDrain = () => response.emit("drain")
  const onError = () => socket.destroy()
  const unwatch = watchEnd(socket)
  socket.on("drain", onDrain)
  socket.on("error", onError)
  response.once("close", () => {
    socket.off("drain", onDrain)
    unwatch()
    if (!socket.destroyed) inTurn(socket, then)
    socket.off("error", onError)
  })
}

/**
 * The response that holds the socket, if any.
 *
 * @internal
 */
export const responseOn = (socket: Duplex): ServerResponse | undefined =>
  (socket as Duplex & { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined

/**
 * Destroys the socket when its peer ends it, which only a read shows. The returned function stops that; call it before
 * anything else reads from the socket.
 *
 * @internal
 */
export const watchEnd = (socket: Duplex): (() => void) => {
  const onReadable = () => {
    if (socket.readableLength === 0) socket.read()
  }
  const onEnd = () => socket.destroy()
  socket.on("readable", onReadable)
  socket.on("end", onEnd)
  return () => {
    socket.off("readable", onReadable)
    socket.off("end", onEnd)
  }
}

/**
 * Gives the socket back to its server, which reads the text first: what was read too early, or a request in another form.
 *
 * @internal
 */
export const giveBack = (request: IncomingMessage, socket: Duplex, text: Buffer): void => {
  const server = (request.socket as Socket & { readonly server?: Server }).server
  if (server === undefined || socket.destroyed) {
    socket.destroy()
    return
  }
  if (text.length > 0) socket.unshift(text)
  server.emit("connection", socket)
}

/**
 * Closes a socket that was given back when no next request comes within the server's keep-alive time: Node's server only
 * does so for a socket on which it has answered itself.
 *
 * @internal
 */
export const closeIfIdle = (socket: Socket & { readonly server?: Server }): void => {
  const { bytesRead, server } = socket
  if (server === undefined || server.keepAliveTimeout === 0) return
  const timer = setTimeout(() => {
    if (responseOn(socket) === undefined && socket.bytesRead === bytesRead) socket.destroy()
  }, server.keepAliveTimeout)
  timer.unref()
}
