/**
 * The raw socket of an upgrade request: answered as HTTP, or joined to the upstream's.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { GatewayResponse } from "../GatewayResponse.js"

/**
 * A response on the socket of an upgrade request, which Node leaves without one. The socket closes after it.
 *
 * @since 0.1.0
 * @category answering
 */
export const responseOn = (request: IncomingMessage, socket: Duplex): GatewayResponse => {
  const response = new GatewayResponse(request)
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
 * Gives the socket back to its server as that of a request without the upgrade. Node reads no body of an upgrade request,
 * so the request is read once more.
 *
 * @since 0.1.0
 * @category answering
 */
export const withoutUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
  const server = (request.socket as Socket & { readonly server?: Server }).server
  if (server === undefined) {
    socket.destroy()
    return
  }
  const raw = request.rawHeaders
  let text = `${request.method} ${request.url} HTTP/${request.httpVersion}\r\n`
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    if (name === "upgrade" || name === "http2-settings") continue
    const value = raw[i + 1] as string
    text += `${raw[i]}: ${name === "connection" ? withoutUpgradeTokens(value) : value}\r\n`
  }
  socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, "latin1"), head]))
  server.emit("connection", socket)
}

/**
 * Takes the socket from the response that `responseOn` made, for whoever answers on it in another way.
 *
 * @since 0.1.0
 * @category answering
 */
export const takeFrom = (response: ServerResponse, socket: Duplex): void => {
  response.removeAllListeners("close")
  response.detachSocket(socket as Socket)
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

const withoutUpgradeTokens = (value: string): string =>
  value
    .split(",")
    .map((token) => token.trim())
    .filter((token) => token !== "" && !/^(?:upgrade|http2-settings)$/i.test(token))
    .join(", ") || "keep-alive"

const LINGER_MILLIS = 5_000
