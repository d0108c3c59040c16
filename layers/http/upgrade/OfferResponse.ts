/**
 * The response on the socket of an upgrade request, which Node's server leaves without one.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { GatewayResponse } from "../GatewayResponse.js"
import { closeGently } from "../GentleClose.js"
import { tokensOf } from "../HeaderTokens.js"
import * as ClientSocket from "./ClientSocket.js"

/**
 * Once it is sent, the connection is kept or closed as after an ordinary request. `takeSocket` takes the socket out of it, for
 * another protocol.
 *
 * @internal
 */
export class OfferResponse extends GatewayResponse {
  readonly #socket: Duplex
  readonly #unwatch: () => void

  /** `goOn` is called once the response is sent and the connection is kept. */
  constructor(request: IncomingMessage, socket: Duplex, goOn: () => void) {
    super(request)
    this.#socket = socket
    this.shouldKeepAlive = request.httpVersionMinor > 0 && !tokensOf(request.headers.connection).includes("close")
    this.assignSocket(socket as Socket)
    socket.on("drain", this.#onDrain)
    this.#unwatch = ClientSocket.watchEnd(socket)
    this.once("finish", () => {
      const isLast = (this as { readonly _last?: boolean })._last === true
      this.takeSocket()
      if (isLast) closeGently(socket)
      else goOn()
      // As of a response that Node's server has sent.
      this.emit("close")
    })
  }

  readonly #onDrain = () => this.emit("drain")

  /** The socket, which this response no longer has anything to do with. */
  takeSocket(): Duplex {
    if (!this.writableEnded) this.call?.end(101)
    this.#socket.off("drain", this.#onDrain)
    this.#unwatch()
    this.detachSocket(this.#socket as Socket)
    return this.#socket
  }
}
