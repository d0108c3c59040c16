/**
 * A request on its way through the gateway.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import type { GatewayResponse } from "./GatewayResponse.js"
import * as JsonResponse from "./JsonResponse.js"
import type { Upgrade } from "./proxy/Forwarder.js"

/**
 * A request and the response to it.
 *
 * @internal
 */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: GatewayResponse
  /** The client's socket, where it asks for another protocol on it. */
  readonly upgrade: Upgrade | undefined
}

/**
 * Takes the next step with an exchange, unless its client has disconnected meanwhile. What the step throws is answered 500.
 *
 * @internal
 */
export const goOn = (exchange: Exchange, step: (exchange: Exchange) => void): void => {
  if (exchange.response.destroyed || exchange.upgrade?.socket.destroyed === true) return
  try {
    step(exchange)
  } catch (defect) {
    JsonResponse.sendError(exchange.response, 500, messageOf(defect))
  }
}
