/**
 * Starts of a server, each of which may find that another program holds its port.
 *
 * @internal
 */
import { PortInUse } from "../../src/IPCError.js"
import { notOpen } from "./NotOpen.js"
import { handled } from "./Promises.js"

export class Starting {
  #foundInUse = false

  /** Resolves with `false` where the port is in use. */
  settle(started: Promise<unknown>): Promise<boolean> {
    this.#foundInUse = false
    return handled(
      started.then(
        () => true,
        (error) => {
          if (!(error instanceof PortInUse)) throw error
          this.#foundInUse = true
          return false
        }
      )
    )
  }

  /** Throws where the last start found the port in use: the URL is that of the program which holds it. */
  checkUrl(address: string): void {
    if (!this.#foundInUse) return
    const reason = `Another program holds ${address}, so this one doesn't listen there: start() resolved with false. Check what it resolves with.`
    throw notOpen("getUrl", address, reason)
  }
}
