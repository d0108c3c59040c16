/**
 * The upgrade of a connection between two of ours on a Unix socket, at either end: an HTTP upgrade (RFC 9110 section 7.8) to
 * a subprotocol of ours, without WebSocket.
 *
 * @internal
 */
import * as Http from "node:http"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type { Serialization } from "../../src/connection/Subprotocol.js"
import * as Subprotocol from "../../src/connection/Subprotocol.js"
import type { Transport } from "../../src/connection/Transport.js"
import * as ProofHeaders from "./ProofHeaders.js"
import * as ReusedRead from "./ReusedRead.js"
import * as UnixTransport from "./UnixTransport.js"
import * as UpgradeOffer from "./UpgradeOffer.js"

interface Options {
  readonly base: string
  /** The file. */
  readonly path: string
  readonly maxFrameBytes: number
  readonly serialization: Serialization | undefined
}

/** The client's end. */
export const open = (
  { base, maxFrameBytes, path, serialization }: Options,
  offer: UpgradeOffer.Offer,
  onOpen: UpgradeOffer.OnOpen
): Effect.Effect<void, UpgradeOffer.UpgradeFailed> =>
  Effect.async((resume) => {
    const { onError, onResponse, onUnproved } = UpgradeOffer.failures(base, resume)
    const { host, pathname, search } = offer.url
    const { begin, socket } = ReusedRead.connect(path)
    const request = Http.request({
      createConnection: () => socket,
      path: pathname + search,
      headers: {
        host,
        connection: "Upgrade",
        upgrade: Subprotocol.streamingOffers(serialization).join(", ")
      }
    })
    UpgradeOffer.send(request, offer)
    request.on("error", onError)
    request.once("response", (response) => onResponse(request, response))
    request.once("upgrade", (response, _, head) => {
      request.removeListener("error", onError)
      const agreement = Subprotocol.agreementOf(response.headers.upgrade ?? "", serialization)
      if (!offer.isTrusted(response)) {
        onUnproved()
        socket.destroy()
        return
      }
      // The program that waited for the connection registers its handlers before the first frame is read.
      socket.pause()
      if (head.length > 0) socket.unshift(head)
      begin()
      onOpen(UnixTransport.make(socket, agreement, maxFrameBytes))
      setImmediate(() => socket.resume())
      resume(Effect.void)
    })
    return Effect.sync(() => request.destroy())
  })

/** What the server takes of what a client offers, where the client asks for no WebSocket. */
export const agreedTo = (
  { headers }: Http.IncomingMessage,
  serialization: Serialization | undefined
): string | undefined => {
  const offered = new Set(headers.upgrade?.split(",").map((name) => name.trim()))
  return Subprotocol.streamingOffers(serialization).find((name) => offered.has(name))
}

/** The server's end. */
export const accept = (
  socket: Duplex,
  head: Buffer,
  {
    agreed,
    maxFrameBytes,
    serialization,
    serverProof
  }: {
    readonly agreed: string
    readonly maxFrameBytes: number
    readonly serialization: Serialization | undefined
    readonly serverProof: string | undefined
  }
): Transport => {
  const proof =
    serverProof === undefined ? "" : `Authentication-Info: ${ProofHeaders.printServerProof(serverProof)}\r\n`
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${agreed}\r\n${proof}\r\n`)
  if (head.length > 0) socket.unshift(head)
  return UnixTransport.make(socket, Subprotocol.agreementOf(agreed, serialization), maxFrameBytes)
}
