/**
 * Several text frames in one message, between ends that agreed to it (Subprotocol).
 *
 * @internal
 */

/**
 * Joins frames into one message, between peers that agreed to it (Subprotocol). A line feed can't occur inside
 * a frame: JSON escapes it, and a path never holds one (`isValidRequestName`).
 */
export const separator = "\n"

/**
 * How long several frames joined into one message may be, in UTF-16 units. A longer message is one frame: its sender
 * had nothing to gain by joining, and its receiver handles no more than so many frames in one turn.
 */
export const maxJoinedLength = 64 * 1024

/**
 * Joins frames into as few messages as {@link maxJoinedLength} allows. Binary ones stay by themselves.
 */
export const join = <A extends string | Uint8Array>(frames: ReadonlyArray<A>): ReadonlyArray<A | string> => {
  const messages: Array<A | string> = []
  let message: A | string | undefined
  for (const frame of frames) {
    if (typeof message === "string" && typeof frame === "string" && fitsJoined(message.length, frame)) {
      message = message + separator + frame
      continue
    }
    if (message !== undefined) messages.push(message)
    message = frame
  }
  if (message !== undefined) messages.push(message)
  return messages
}

/**
 * Whether a frame can be joined to a message of this length.
 */
export const fitsJoined = (length: number, frame: string): boolean => length + frame.length < maxJoinedLength

/**
 * Where the frame that begins at `start` ends in a message that may be several frames.
 */
export const endOf = (message: string, start: number): number => {
  const end = message.length > maxJoinedLength ? -1 : message.indexOf(separator, start)
  return end === -1 ? message.length : end
}
