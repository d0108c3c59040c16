/**
 * Watches the messages of WebSockets between a client and a service.
 *
 * @internal
 */
import type { Duplex, Writable } from "node:stream"
import * as Ws from "ws"
import type { Exchange } from "../http/Exchange.js"
import type { Matched } from "./Matching.js"
import * as WebSocketRecord from "./WebSocketRecord.js"

/** Passes the upgrade on, and records the messages of both sides. */
export const watch = (
  exchange: Exchange,
  matched: Matched,
  recorder: WebSocketRecord.WebSocketRecorder,
  passOn: (exchange: Exchange) => void
): void => {
  const { upgrade } = exchange
  if (upgrade === undefined) return passOn(exchange)
  const onSwitched = (upstream: Duplex, rawHeaders: ReadonlyArray<Buffer>) => {
    upgrade.onSwitched?.(upstream, rawHeaders)
    const record = WebSocketRecord.make(recorder, exchange, matched, () => upgrade.socket.destroy())
    const accepted = extensionsOf(rawHeaders)
    let closing: { readonly code: number; readonly reason: string } | undefined
    // Decompression is asynchronous; the record keeps the order of arrival.
    const inTurn = queue()
    let waiting = 0
    const listen = (from: "client" | "service", socket: Duplex) => {
      const receiver = makeReceiver(from === "client", accepted)
      receiver.on("message", (data: Buffer, isBinary: boolean) => {
        record.message(from, isBinary ? data : data.toString("utf8"))
      })
      receiver.on("conclude", (code: number, reason: Buffer) => {
        closing ??= { code, reason: reason.toString("utf8") }
      })
      // What isn't WebSocket passes unrecorded.
      receiver.on("error", () => socket.off("data", onData))
      const onData = (chunk: Buffer) => {
        waiting += chunk.length
        // What passes isn't held back for the record's sake.
        if (waiting > MAX_WAITING) return void socket.off("data", onData)
        // ws unmasks in place, and the chunk is yet to be sent.
        const bytes = Buffer.from(chunk)
        inTurn((done) =>
          receiver.write(bytes, () => {
            waiting -= bytes.length
            done()
          })
        )
      }
      if (from === "client" && upgrade.head.length > 0) onData(upgrade.head)
      socket.on("data", onData)
    }
    listen("client", upgrade.socket)
    listen("service", upstream)
    upgrade.socket.once("close", () => inTurn(() => record.end(closing?.code ?? 1006, closing?.reason ?? "")))
  }
  passOn({ ...exchange, upgrade: { ...upgrade, onSwitched } })
}

/** Runs each task once the one before is done. */
const queue = () => {
  const tasks: Array<(done: () => void) => void> = []
  let busy = false
  const next = () => {
    const task = tasks.shift()
    busy = task !== undefined
    task?.(next)
  }
  return (task: (done: () => void) => void): void => {
    tasks.push(task)
    if (!busy) next()
  }
}

/** Exports of ws that its types lack. */
interface WsParts {
  readonly Receiver: new (options: object) => Writable
  readonly PerMessageDeflate: {
    new (options: object): { readonly accept: (parameters: ReadonlyArray<object>) => object }
    readonly extensionName: string
  }
  readonly extension: { readonly parse: (header: string) => Readonly<Record<string, ReadonlyArray<object>>> }
}

const { extension, PerMessageDeflate, Receiver } = Ws as unknown as WsParts

const makeReceiver = (isServer: boolean, accepted: string): Writable => {
  const deflate = deflateOf(isServer, accepted)
  const extensions = deflate === undefined ? {} : { [PerMessageDeflate.extensionName]: deflate }
  return new Receiver({ isServer, extensions, maxPayload: MAX_PAYLOAD })
}

const deflateOf = (isServer: boolean, accepted: string): object | undefined => {
  if (accepted === "") return undefined
  // Invalid parameters are for the client to refuse.
  try {
    const parameters = extension.parse(accepted)[PerMessageDeflate.extensionName]
    if (parameters === undefined) return undefined
    // As a client, for either side: the parameters are those of the service's answer.
    const deflate = new PerMessageDeflate({ isServer: false, maxPayload: MAX_PAYLOAD })
    deflate.accept(parameters)
    return Object.assign(deflate, { _isServer: isServer })
  } catch {
    return undefined
  }
}

const extensionsOf = (rawHeaders: ReadonlyArray<Buffer>): string => {
  const values: Array<string> = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toString("latin1").toLowerCase() === "sec-websocket-extensions") {
      values.push(String(rawHeaders[i + 1]))
    }
  }
  return values.join(", ")
}

/** Of one message, in bytes: the messages from a larger one on pass unrecorded. */
const MAX_PAYLOAD = 16 * 1024 * 1024

/** What may have passed and is yet to be recorded, in bytes: beyond it the rest passes unrecorded. */
const MAX_WAITING = 32 * 1024 * 1024
