/**
 * A client's Unix socket that is read into one buffer, which all such sockets share. A new buffer for each read would have V8
 * mark its whole heap many times a second while a stream of bytes arrives, for the reason given in BufferPool.
 *
 * @internal
 */
import * as Net from "node:net"

/** More than a Unix socket holds, so that one read takes all that has arrived. */
const readBytes = 256 * 1024

/** Shared by all sockets: its content is needed only while one read is handled. */
let buffer: Buffer | undefined

export interface ReusedRead {
  readonly socket: Net.Socket
  /** Stops copying: from now on the next read overwrites the bytes of a `data` event, unless several listen. */
  readonly begin: () => void
}

/** Connects. Until `begin` is called, listeners get copies. */
export const connect = (path: string): ReusedRead => {
  buffer ??= Buffer.allocUnsafeSlow(readBytes)
  let begun = false
  const callback = (length: number, read: Uint8Array): boolean => {
    const chunk = Buffer.from(read.buffer, read.byteOffset, length)
    // Bytes that the socket has buffered must be delivered before these. Another listener, a tool's, may keep them.
    if (!begun || socket.readableLength > 0 || socket.listenerCount("data") > 1) return socket.push(Buffer.from(chunk))
    socket.emit("data", chunk)
    return true
  }
  const socket = Net.connect({ path, onread: { buffer, callback } })
  return {
    socket,
    begin: () => {
      begun = true
    }
  }
}
