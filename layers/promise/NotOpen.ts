/**
 * The failures of calls to a server that isn't running or a client that isn't connected. They have the tags of the Effect
 * services, and messages that name the facade's methods.
 *
 * @internal
 */

import { CloseCode } from "../../src/CloseEvent.js"
import { ClientNotConnected, ConnectionClosed } from "../../src/IPCError.js"

/** A `ConnectionClosed` whose reason is the whole message. */
export class NotOpen extends ConnectionClosed {
  override get message() {
    return this.reason
  }
}

export const notOpen = (request: string, target: string, reason: string): NotOpen =>
  new NotOpen({ request, target, code: CloseCode.Normal, reason })

/** The `ClientNotConnected` of a server to which no client can be connected. */
export class ServerNotRunning extends ClientNotConnected {
  override get message() {
    return `No client with runtimeId ${JSON.stringify(this.runtimeId)} is connected: the server isn't running. Await start() first, and again after teardown().`
  }
}
