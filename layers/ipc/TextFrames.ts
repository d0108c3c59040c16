/**
 * Unfragmented text frames of WebSocket (RFC 6455 section 5.2): nearly all that two ends of this library send. ws takes twice
 * as long for a small one.
 *
 * @internal
 */
import { randomFillSync } from "node:crypto"
import type { Writable } from "node:stream"
import * as BufferPool from "../BufferPool.js"

/** The first byte: the final frame of a message, which is text. */
export const finalText = 0x81

/** A client masks what it sends. */
export const maskBit = 0x80
export const keyLength = 4

/** In place of a length of up to 125: the length is in the next 2 bytes, or in the next 8. */
export const length16 = 126
export const length64 = 127

/** Writes one by one system call. */
export const write = (socket: Writable, text: string, masked: boolean): void => {
  const length = Buffer.byteLength(text)
  const keyAt = length < length16 ? 2 : length < 0x10000 ? 4 : 10
  const start = masked ? keyAt + keyLength : keyAt
  const buffer = BufferPool.takeForWrite(socket, start + length)
  buffer[0] = finalText
  if (keyAt === 2) buffer[1] = length
  else if (keyAt === 4) {
    buffer[1] = length16
    buffer.writeUInt16BE(length, 2)
  } else {
    buffer[1] = length64
    buffer.writeUInt32BE(0, 2)
    buffer.writeUInt32BE(length, 6)
  }
  buffer.write(text, start)
  if (masked) {
    buffer[1] = (buffer[1] as number) | maskBit
    writeKey(buffer, keyAt)
    mask(buffer, start, start + length)
  }
  BufferPool.write(socket, buffer, start + length)
}

/** Masks the bytes from `start` to `end` by the key before them, or unmasks them. */
export const mask = (buffer: Buffer, start: number, end: number): void => {
  const keyAt = start - keyLength
  for (let i = start; i < end; i++) {
    buffer[i] = (buffer[i] as number) ^ (buffer[keyAt + ((i - start) & 3)] as number)
  }
}

/** Unpredictable, as section 10.3 requires. */
const writeKey = (buffer: Buffer, at: number): void => {
  if (keysUsed === keys.length) {
    randomFillSync(keys)
    keysUsed = 0
  }
  keys.copy(buffer, at, keysUsed, keysUsed + keyLength)
  keysUsed += keyLength
}

const keys = Buffer.alloc(8 * 1024)
let keysUsed = keys.length
