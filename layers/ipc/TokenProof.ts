/**
 * How an end of a connection proves that it knows the token without showing it: an HMAC (RFC 2104) with the token as its
 * key. Knows no transport.
 *
 * @internal
 */
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from "node:crypto"

export type Role = "client" | "server"

/** The place that the client connected to. A proof for one place is none for another, so that it can't be relayed. */
export interface Dialled {
  /** As the client was told it. */
  readonly host: string
  readonly port: number
  /** The other end of the connection as the operating system names it: an IP address. */
  readonly address: string
}

/** What a proof is about. Both ends' proofs of one connection are about the same. */
export interface Handshake {
  /** Made by the server for this connection. */
  readonly serverNonce: string
  /** Made by the client for this connection. */
  readonly clientNonce: string
  readonly dialled: Dialled
}

/** The key that a token is. */
export const keyOf = (token: string): KeyObject => createSecretKey(token, "utf8")

/** 128 random bits, as 22 characters of base64url. */
export const makeNonce = (): string => randomBytes(16).toString("base64url")

/** 43 characters of base64url. */
export const prove = (key: KeyObject, role: Role, { clientNonce, dialled, serverNonce }: Handshake): string =>
  createHmac("sha256", key)
    // As JSON, so that no two handshakes are one text.
    .update(JSON.stringify([label, role, serverNonce, clientNonce, dialled.host, dialled.port, dialled.address]))
    .digest("base64url")

/** Takes the same time wherever the proof differs. */
export const verify = (key: KeyObject, role: Role, handshake: Handshake, proof: string): boolean => {
  const expected = Buffer.from(prove(key, role, handshake))
  const given = Buffer.from(proof)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Changes with what a proof is about. */
const label = "effect-ipc proof 1"

/** For how long a nonce can be used, in milliseconds. */
const nonceMillis = 10_000

/** So many unanswered challenges are kept, some 2 MB. More than come in while one client answers its own. */
const maxChallenges = 16_384

/**
 * The server's nonces. Each can be used once, and for ten seconds. Only the latest are kept, so that peers that ask for
 * challenges and never answer cost a bounded amount of memory.
 */
export class Challenges {
  /** When each was issued, the oldest first. */
  readonly #issued = new Map<string, number>()

  /** `now` is monotonic time in milliseconds. */
  issue(now: number): string {
    this.#drop(now, maxChallenges - 1)
    const nonce = makeNonce()
    this.#issued.set(nonce, now)
    return nonce
  }

  /** Whether the nonce can be used. From now on it can't. */
  take(nonce: string, now: number): boolean {
    this.#drop(now, maxChallenges)
    return this.#issued.delete(nonce)
  }

  get size(): number {
    return this.#issued.size
  }

  /** What is too old, and what is too much. */
  #drop(now: number, limit: number): void {
    for (const [nonce, issuedAt] of this.#issued) {
      if (this.#issued.size <= limit && now - issuedAt < nonceMillis) return
      this.#issued.delete(nonce)
    }
  }
}
