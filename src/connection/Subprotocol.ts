/**
 * What two ends of a connection agree to by the WebSocket subprotocol (RFC 6455 section 1.9): docs/protocol.md has it in full.
 *
 * @internal
 */

/** How values become bytes where both ends agreed to another way than JSON. Neither function throws. */
export interface Serialization {
  /** Prints a binary frame: the head, a line feed, and the value. Undefined for a value that must be sent as JSON. */
  readonly print: (head: string, value: unknown) => Uint8Array | undefined
  /** About how many bytes the value takes once decoded. Undefined if the bytes aren't a value or exceed a bound. */
  readonly weigh: (bytes: Uint8Array) => number | undefined
  /** Decodes bytes that passed `weigh`. Undefined if they aren't a value. */
  readonly decode: (bytes: Uint8Array) => { readonly value: unknown } | undefined
}

export interface Agreement {
  /** 0: messages, requests and responses alone. 1: cancellation, joined frames. 2: hello, credit, streams, trace context. */
  readonly version: 0 | 1 | 2
  /** Whether binary frames may be sent. */
  readonly binary: boolean
  readonly serialization: Serialization | undefined
}

export const plain: Agreement = { version: 0, binary: false, serialization: undefined }
export const extended: Agreement = { version: 1, binary: false, serialization: undefined }
export const streaming: Agreement = { version: 2, binary: true, serialization: undefined }
/** Over a transport that carries text alone. */
export const streamingText: Agreement = { version: 2, binary: false, serialization: undefined }

const plainName = "effect-ipc.plain"
const extendedName = "effect-ipc.1"
const streamingName = "effect-ipc.2"
const serializedName = "effect-ipc.2.msgpack"

/**
 * What a client offers, in this order: a server that echoes the first offer without looking agrees to nothing by that.
 */
export const offers = (serialization?: Serialization): ReadonlyArray<string> => {
  const names = [plainName, extendedName, streamingName]
  return serialization === undefined ? names : [...names, serializedName]
}

/** What a client offers where no WebSocket is needed, the best first. */
export const streamingOffers = (serialization?: Serialization): ReadonlyArray<string> =>
  serialization === undefined ? [streamingName] : [serializedName, streamingName]

/**
 * The offer that a server takes: the latest that it knows, else the first. It echoes no name of this protocol that it doesn't
 * know, since the client would take that for an agreement.
 */
export const choose = (offered: ReadonlySet<string>, serialization?: Serialization): string | false => {
  for (const name of [...offers(serialization)].reverse()) if (offered.has(name)) return name
  const [first] = offered
  return first === undefined || first.startsWith("effect-ipc.") ? false : first
}

/** What an accepted offer means. */
export const agreementOf = (name: string, serialization?: Serialization): Agreement => {
  switch (name) {
    case extendedName:
      return extended
    case streamingName:
      return streaming
    case serializedName:
      return { ...streaming, serialization }
    default:
      return plain
  }
}
