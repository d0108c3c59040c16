/**
 * The server's own paths: checks whether a request is admitted, and turns an upgrade into
 * a connected client.
 *
 * @internal
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { ClientConnections } from "../../src/connection/ClientConnections.js"
import * as Frame from "../../src/connection/Frame.js"
import { defaultMaxFrameBytes } from "../../src/connection/IPCSocketOptions.js"
import * as Subprotocol from "../../src/connection/Subprotocol.js"
import { wholeNumber } from "../../src/internal/WholeNumber.js"
import { normalize, pathOf } from "../http/RequestTarget.js"
import * as Admission from "./Admission.js"
import * as Credentials from "./Credentials.js"
import * as MessagePack from "./MessagePack.js"
import * as ProofHeaders from "./ProofHeaders.js"
import { bodyOf, headersOf, type Refusal, refuse } from "./Refusal.js"
import * as UnixSocket from "./UnixSocket.js"
import * as UnixUpgrade from "./UnixUpgrade.js"
import * as WebSocketTransport from "./WebSocketTransport.js"
import * as Ws from "./Ws.js"

export interface UpgradeEndpointOptions extends Admission.AdmissionOptions {
  readonly maxFrameBytes?: number | undefined
  readonly serialization?: MessagePack.SerializationName | undefined
}

/** The listeners for requests and upgrades at the server's own paths. Neither throws. */
export interface UpgradeEndpoint {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** Whether a request is for one of the server's own paths. Gives it its target in origin form. */
export const isOwn = (request: IncomingMessage): boolean => {
  if (!normalize(request) || !request.url?.startsWith("/__")) return false
  const path = pathOf(request.url)
  return path === Frame.upgradePath || path === Frame.upgradePathAlias || path.startsWith(`${Frame.upgradePathAlias}/`)
}

/** Once the scope is closed, every upgrade is refused. */
export const make: (
  clients: ClientConnections,
  options: UpgradeEndpointOptions
) => Effect.Effect<UpgradeEndpoint, NodeJS.ErrnoException, Scope.Scope> = Effect.fnUntraced(function* (
  clients: ClientConnections,
  options: UpgradeEndpointOptions
) {
  const maxFrameBytes = wholeNumber(options.maxFrameBytes, defaultMaxFrameBytes)
  const serialization = yield* MessagePack.serializationOf(options.serialization)
  const ws = yield* Ws.load
  const webSockets = new ws.WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: WebSocketTransport.maxPayload(maxFrameBytes),
    WebSocket: WebSocketTransport.webSocketClass(ws),
    handleProtocols: (offered) => Subprotocol.choose(offered, serialization)
  })
  const serverProofs = new WeakMap<IncomingMessage, string>()
  webSockets.on("headers", (headers, request) => {
    const proof = serverProofs.get(request)
    if (proof !== undefined) headers.push(`Authentication-Info: ${ProofHeaders.printServerProof(proof)}`)
  })
  const admit = Admission.make(options, yield* Effect.clock)
  let closed = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
    })
  )

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (closed) return refuse(socket, { status: 503, error: "The server is closing." })
    const checked = admit(request)
    if (Either.isLeft(checked)) return refuse(socket, checked.left)
    const runtimeId = runtimeIdOf(request)
    if (runtimeId !== undefined && !Credentials.isValidRuntimeId(runtimeId)) {
      return refuse(socket, { status: 400, error: `The name isn't valid: ${Credentials.invalidRuntimeId}.` })
    }
    const { serverProof } = checked.right
    const isOther = request.headers.upgrade !== "websocket"
    const agreed =
      isOther && UnixSocket.isUnix(request.socket) ? UnixUpgrade.agreedTo(request, serialization) : undefined
    if (agreed !== undefined) {
      if (!socket.readable || !socket.writable) return void socket.destroy()
      const transport = UnixUpgrade.accept(socket, head, { agreed, maxFrameBytes, serialization, serverProof })
      socket.removeListener("error", ignore)
      clients.accept(transport, runtimeId)
      return
    }
    if (serverProof !== undefined) serverProofs.set(request, serverProof)
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.removeListener("error", ignore)
      clients.accept(WebSocketTransport.makeOwn(webSocket, socket, "server", maxFrameBytes, serialization), runtimeId)
    })
  }

  return {
    onRequest: (request, response) => {
      const refusal = Either.match(admit(request), {
        onLeft: (left) => left,
        onRight: () => upgradeRequired
      })
      const body = bodyOf(refusal)
      response.writeHead(refusal.status, headersOf(refusal, body))
      response.end(body)
    },
    onUpgrade: (request, socket, head) => {
      // Until ws takes over, a peer may reset the connection.
      socket.on("error", ignore)
      upgrade(request, socket, head)
    }
  }
})

const upgradeRequired: Refusal = {
  status: 426,
  error: `${Frame.upgradePath} is for IPC clients, which connect by WebSocket.`,
  headers: { upgrade: "websocket" }
}

const runtimeIdOf = (request: IncomingMessage): string | undefined => {
  const target = request.url as string
  const query = target.indexOf("?")
  if (query === -1) return undefined
  return new URLSearchParams(target.slice(query)).get(Frame.runtimeIdParameter) || undefined
}

const ignore = () => {}
