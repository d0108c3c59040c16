/**
 * A client's Unix socket that is read into one buffer for all: a buffer of its own for each read is memory outside V8's heap,
 * and so much of it for a stream of bytes that V8 marks its whole heap many times a second.
 *
 * @internal
 */
import * as Net from "node:net"

/** More than a Unix socket holds, so that one read takes all that has arrived. */
const readBytes = 256 * 1024

/** Between two reads of any socket nothing of it is in use. */
let buffer: Buffer | undefined

export interface ReusedRead {
  readonly socket: Net.Socket
  /** From now on what comes with the socket's `data` is overwritten by the next read. */
  readonly begin: () => void
}

/** Connects; the listeners get copies at first. */
export const connect = (path: string): ReusedRead => {
  buffer ??= Buffer.allocUnsafeSlow(readBytes)
  let begun = false
  const callback = (length: number, read: Uint8Array): boolean => {
    const chunk = Buffer.from(read.buffer, read.byteOffset, length)
    // What the socket holds itself comes first.
    if (!begun || socket.readableLength > 0) return socket.push(Buffer.from(chunk))
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
