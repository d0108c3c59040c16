/**
 * The bare socket of a client that asked for an upgrade, which Node's server has let go of.
 *
 * @internal
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

/**
 * Calls once every response to the requests before the upgrade is sent, and not at all when the socket closes meanwhile.
 *
 * @internal
 */
export const inTurn = (socket: Duplex, then: () => void): void => {
  const response = responseOn(socket)
  if (response === undefined) return then()
  // Node listens for neither any more.
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
 * The response that Node's server is sending on the socket, or will be sending once it is there.
 *
 * @internal
 */
export const responseOn = (socket: Duplex): ServerResponse | undefined =>
  (socket as Duplex & { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined

/**
 * Destroys the socket when its peer ends it; stop watching before anything else reads from it. Nobody hears the end of a
 * socket that isn't read.
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
 * Ends the socket, gives what was written time to arrive, then destroys it.
 *
 * @internal
 */
export const closeGently = (socket: Duplex): void => {
  if (socket.destroyed) return
  const destroy = () => socket.destroy()
  socket.once("end", destroy)
  if (socket.readableEnded) socket.end(destroy)
  else socket.end()
  socket.resume()
  ;(socket as Socket).setTimeout?.(LINGER_MILLIS, destroy)
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

const LINGER_MILLIS = 5_000
