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

  /** Calls `then` when the responses before this one are sent; never if the client disconnects first. */
  wait(request: IncomingMessage, response: ServerResponse, then: () => void): void {
    const { socket } = request
    let waiting = this.#waiting.get(socket)
    if (waiting === undefined) {
      waiting = new Waiting(socket)
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
  #count = 0
  #stalled: NodeJS.Timeout | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.once("close", () => clearTimeout(this.#stalled))
  }

  add(): void {
    this.#count++
    if (this.#count <= MAX_WAITING || this.#stalled !== undefined) return
    // While reading is paused, a client that disconnects is not noticed.
    this.#stalled = setTimeout(() => this.#socket.destroy(), MAX_STALL_MILLIS).unref()
    // Node resumes the socket whenever it has sent a response.
    this.#socket.on("resume", this.#pause)
    this.#pause()
  }

  remove(): void {
    this.#count--
    if (this.#stalled === undefined) return
    this.#stalled.refresh()
    if (this.#count > MAX_WAITING / 2) return
    clearTimeout(this.#stalled)
    this.#stalled = undefined
    this.#socket.off("resume", this.#pause)
    this.#socket.resume()
  }

  readonly #pause = () => {
    this.#socket.pause()
  }
}

const MAX_WAITING = 256

/** How long the response that is waited for may take. */
const MAX_STALL_MILLIS = 60_000
