/**
 * Two sockets joined after a switch of protocols.
 *
 * @internal
 */
import type { Duplex } from "node:stream"
import { closeGently } from "../GentleClose.js"

/**
 * Bytes and ends pass both ways, and neither socket outlives the other. `onClose` is called once both are closed.
 *
 * @internal
 */
export const join = (one: Duplex, other: Duplex, onClose: () => void): void => {
  closeTogether(one, other, onClose)
  one.pipe(other)
  other.pipe(one)
}

/**
 * Neither socket outlives the other. `onClose` is called once both are closed.
 *
 * @internal
 */
export const closeTogether = (one: Duplex, other: Duplex, onClose: () => void): void => {
  let open = 2
  const pipeOn = (from: Duplex, to: Duplex) => {
    from.on("error", () => to.destroy())
    from.once("close", () => {
      if (from.errored || !from.readableEnded) to.destroy()
      else closeGently(to)
      if (--open === 0) onClose()
    })
  }
  pipeOn(one, other)
  pipeOn(other, one)
}
