/**
 * The upgrade of a client's connection to WebSocket (RFC 6455 section 4.1).
 *
 * @internal
 */
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import type { Serialization } from "../../src/connection/Subprotocol.js"
import * as Subprotocol from "../../src/connection/Subprotocol.js"
import { ConnectFailed } from "../../src/IPCError.js"
import * as UpgradeOffer from "./UpgradeOffer.js"
import * as WebSocketTransport from "./WebSocketTransport.js"
import * as Ws from "./Ws.js"

interface Options {
  readonly base: string
  readonly maxFrameBytes: number
  readonly serialization: Serialization | undefined
}

/** With subprotocols, and without where the server knows none: it answers none, which ws takes for a failed handshake. */
export const open = (
  options: Options,
  offer: UpgradeOffer.Offer,
  onOpen: UpgradeOffer.OnOpen
): Effect.Effect<void, UpgradeOffer.UpgradeFailed> =>
  Effect.flatMap(Effect.mapError(Ws.load, notLoaded(options.base)), (ws) =>
    openWith(ws, options, offer, [...Subprotocol.offers(options.serialization)], onOpen).pipe(
      Effect.catchIf(
        ({ error }) => error.detail === noSubprotocol,
        () => openWith(ws, options, offer, [], onOpen)
      )
    )
  )

const notLoaded =
  (url: string) =>
  ({ code, message }: NodeJS.ErrnoException): UpgradeOffer.UpgradeFailed => ({
    error: new ConnectFailed({ url, reason: "Unreachable", detail: message }),
    code
  })

/** The message of ws's error. */
const noSubprotocol = "Server sent no subprotocol"

const openWith = (
  ws: Ws.Ws,
  { base, maxFrameBytes, serialization }: Options,
  offer: UpgradeOffer.Offer,
  subprotocols: Array<string>,
  onOpen: UpgradeOffer.OnOpen
): Effect.Effect<void, UpgradeOffer.UpgradeFailed> =>
  Effect.async((resume) => {
    const { onError, onResponse, onUnproved } = UpgradeOffer.failures(base, resume)
    const Limited = WebSocketTransport.webSocketClass(ws)
    const webSocket = new Limited(offer.url, subprotocols, {
      perMessageDeflate: false,
      maxPayload: WebSocketTransport.maxPayload(maxFrameBytes),
      finishRequest: (request) => UpgradeOffer.send(request, offer)
    })
    let socket: Socket | undefined
    webSocket.on("error", onError)
    webSocket.once("upgrade", (response) => {
      socket = response.socket
      if (offer.isTrusted(response)) return
      onUnproved()
      webSocket.terminate()
    })
    webSocket.once("unexpected-response", onResponse)
    webSocket.once("open", () => {
      onOpen(WebSocketTransport.makeOwn(webSocket, socket as Socket, "client", maxFrameBytes, serialization))
      webSocket.removeListener("error", onError)
      // The program that waited for the connection registers its handlers before the first frame is read.
      webSocket.pause()
      setImmediate(() => webSocket.resume())
      resume(Effect.void)
    })
    return Effect.sync(() => webSocket.terminate())
  })
