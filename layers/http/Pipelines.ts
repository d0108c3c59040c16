/**
 * Requests that a client sends before the ones before them are answered: taken one at a time.
 *
 * @internal
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/**
 * Node emits each request as soon as it is parsed, and `close` only on the response that holds the socket. So a request that
 * has to wait is begun when its response gets the socket.
 *
 * @internal
 */
export class Pipelines {
  readonly #waiting = new WeakMap<Socket, Waiting>()
  readonly #total = { count: 0 }

  /** Calls `then` when the responses before this one are sent; never if the client disconnects first. */
  wait(request: IncomingMessage, response: ServerResponse, then: () => void): void {
    const { socket } = request
    let waiting = this.#waiting.get(socket)
    if (waiting === undefined) {
      waiting = new Waiting(socket, this.#total)
      this.#waiting.set(socket, waiting)
    }
    waiting.add()
    response.once("socket", () => {
      waiting.remove()
      then()
    })
  }
}

/**
 * Whether the responses before this one are sent: then Node has given it its socket.
 *
 * @internal
 */
export const isNext = (response: ServerResponse): boolean => response.socket !== null

/** Counts the waiting requests of one connection, and pauses reading while there are too many. */
class Waiting {
  readonly #socket: Socket
  readonly #total: { count: number }
  #count = 0
  #stalled: NodeJS.Timeout | undefined

  constructor(socket: Socket, total: { count: number }) {
    this.#socket = socket
    this.#total = total
    socket.once("close", () => {
      clearTimeout(this.#stalled)
      total.count -= this.#count
      this.#count = 0
    })
  }

  add(): void {
    this.#count++
    this.#total.count++
    const isTooMany = this.#count > MAX_OF_ONE && this.#total.count > MAX_OF_ALL
    if (!isTooMany || this.#stalled !== undefined) return
    // While reading is paused, a client that disconnects is not noticed.
    this.#stalled = setTimeout(() => this.#socket.destroy(), MAX_STALL_MILLIS).unref()
    // Node resumes the socket whenever it has sent a response.
    this.#socket.on("resume", this.#pause)
    this.#pause()
  }

  remove(): void {
    this.#count--
    this.#total.count--
    if (this.#stalled === undefined) return
    this.#stalled.refresh()
    if (this.#count > MAX_OF_ONE / 2) return
    clearTimeout(this.#stalled)
    this.#stalled = undefined
    this.#socket.off("resume", this.#pause)
    this.#socket.resume()
  }

  readonly #pause = () => {
    this.#socket.pause()
  }
}

/** Requests that every connection may have waiting. */
const MAX_OF_ONE = 256

/** Waiting requests of all connections, some 3 kB each, from which on no connection may have more than that. */
const MAX_OF_ALL = 24_576

/** How long the response that is waited for may take meanwhile. */
const MAX_STALL_MILLIS = 60_000
