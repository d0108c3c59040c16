/**
 * Closing a socket without the loss of what was written last: a socket that is destroyed may lose it.
 *
 * @internal
 */
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

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

const LINGER_MILLIS = 5_000
