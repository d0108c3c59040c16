/**
 * What a socket to an upstream does for the HTTP client beside its own work.
 *
 * @internal
 */
import type { Socket } from "node:net"

/**
 * The status under which undici passes on a 100 that the request didn't ask for. It takes the true one for the end of
 * its connection, though any client has to take it (RFC 9110 section 15.2). No response has this one.
 *
 * @internal
 */
export const CONTINUE = 198

/**
 * A service that answers before it has read an upload and then closes, resets the connection. A write that fails because of
 * that would destroy the socket while the response is still unread. So the write stays pending until the read side ends.
 *
 * @internal
 */
export const readBeforeReset = (socket: Socket): void => {
  const { _write, _writev } = socket
  // A stream has one write in progress at a time.
  let callback: WriteCallback | undefined
  const done: WriteCallback = (error) => {
    const written = callback as WriteCallback
    if (!isReset(error) || socket.readableEnded || socket.destroyed) written(error)
    else socket.once("end", () => written(error))
  }
  socket._write = function (chunk, encoding, written) {
    callback = written
    _write.call(this, chunk, encoding, done)
  }
  if (_writev === undefined) return
  socket._writev = function (chunks, written) {
    callback = written
    _writev.call(this, chunks, done)
  }
}

/**
 * Gives the head of a response with status 100 the status {@link CONTINUE}.
 *
 * @internal
 */
export const markContinue = (socket: Socket): void => {
  const { _write, _writev, read } = socket
  let isHeadAwaited = false
  socket._write = function (chunk, encoding, written) {
    isHeadAwaited ||= isRequestHead(chunk)
    _write.call(this, chunk, encoding, written)
  }
  if (_writev !== undefined) {
    socket._writev = function (chunks, written) {
      isHeadAwaited ||= isRequestHead(chunks[0]?.chunk)
      _writev.call(this, chunks, written)
    }
  }
  socket.read = function (size) {
    const chunk: unknown = read.call(this, size)
    if (isHeadAwaited && Buffer.isBuffer(chunk)) isHeadAwaited = !hasFinalHead(chunk)
    return chunk
  }
}

type WriteCallback = (error?: Error | null) => void

const isReset = (error: Error | null | undefined): boolean => {
  const code = (error as NodeJS.ErrnoException | null | undefined)?.code
  return code === "EPIPE" || code === "ECONNRESET"
}

/** undici writes it as a string, and of bodies only the sizes of chunks. */
const isRequestHead = (chunk: unknown): boolean => typeof chunk === "string" && chunk.includes(" HTTP/1.1\r\n")

/** Whether a response's final head begins in the chunk, which begins with a head. */
const hasFinalHead = (chunk: Buffer): boolean => {
  let start = 0
  while (chunk[start + STATUS] === ONE) {
    if (chunk[start + STATUS + 1] === ZERO && chunk[start + STATUS + 2] === ZERO) {
      chunk.write(String(CONTINUE), start + STATUS, "latin1")
    }
    const end = chunk.indexOf("\r\n\r\n", start, "latin1")
    if (end === -1) return false
    start = end + 4
  }
  return start < chunk.length
}

/** Where the status is, after `HTTP/1.1 `. */
const STATUS = 9
const ONE = 49
const ZERO = 48
