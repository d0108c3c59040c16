/**
 * The raw socket of an upgrade request: answered as HTTP, or joined to the upstream's.
 *
 * @since 0.1.0
 */
import { type IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

/**
 * A response on the socket of an upgrade request, which Node leaves without one. The socket closes after it.
 *
 * @since 0.1.0
 * @category answering
 */
export const responseOn = (request: IncomingMessage, socket: Duplex): ServerResponse => {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Socket)
  const onDrain = () => response.emit("drain")
  socket.on("drain", onDrain)
  response.once("finish", () => {
    socket.off("drain", onDrain)
    response.detachSocket(socket as Socket)
    closeGently(socket)
  })
  return response
}

/**
 * Destroys the socket when its peer ends it; stop watching before anything else reads from it. Node hands the socket
 * over unread, and nobody hears the end of a socket that isn't read.
 *
 * @since 0.1.0
 * @category closing
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
 * Joins two sockets: bytes and ends pass both ways, and neither outlives the other. `onClose` is called once both are
 * closed.
 *
 * @since 0.1.0
 * @category joining
 */
export const join = (one: Duplex, other: Duplex, onClose: () => void): void => {
  let open = 2
  const link = (from: Duplex, to: Duplex) => {
    from.on("error", () => to.destroy())
    from.once("close", () => {
      if (from.errored || !from.readableEnded) to.destroy()
      else closeGently(to)
      if (--open === 0) onClose()
    })
    from.pipe(to)
  }
  link(one, other)
  link(other, one)
}

/**
 * Ends the socket, gives what was written time to arrive, then destroys it.
 *
 * @since 0.1.0
 * @category closing
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

const LINGER_MILLIS = 5_000
