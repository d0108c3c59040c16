/**
 * The proof of the token in HTTP's headers (RFC 9110 section 11): the server's challenge in `WWW-Authenticate`, the
 * client's proof in `Authorization`, the server's in `Authentication-Info`.
 *
 * @internal
 */
import type * as TokenProof from "./TokenProof.js"

/** The authentication scheme. */
export const scheme = "Effect-IPC"

/**
 * `stale` means that the client's proof was for a nonce that can't be used (any more), so that it may try with this
 * one.
 */
export const printChallenge = (serverNonce: string, stale: boolean): string =>
  `${scheme} nonce="${serverNonce}"${stale ? ', stale="true"' : ""}, Bearer`

export type Challenge =
  | { readonly scheme: "proof"; readonly serverNonce: string; readonly stale: boolean }
  /** The server takes the token only as it is. */
  | { readonly scheme: "bearer" }

/** Undefined where no challenge in the header can be answered. */
export const parseChallenge = (header = ""): Challenge | undefined => {
  const [, serverNonce, stale] = challengeForm.exec(header) ?? []
  if (serverNonce !== undefined) return { scheme: "proof", serverNonce, stale: stale !== undefined }
  return bearerForm.test(header) ? { scheme: "bearer" } : undefined
}

/** What a client sends that has no nonce of the server yet. */
export const challengeWanted = scheme

/** Whether a client wants to prove the token, or to be given what it needs for that. */
export const isOurScheme = (authorization: string | undefined): boolean =>
  /^Effect-IPC(?: |$)/i.test(authorization ?? "")

export const printClientProof = ({ clientNonce, dialled, serverNonce }: TokenProof.Handshake, proof: string): string =>
  `${scheme} nonce="${serverNonce}", cnonce="${clientNonce}", host="${dialled.host}", port="${dialled.port}", address="${dialled.address}", proof="${proof}"`

export interface ClientProof {
  readonly handshake: TokenProof.Handshake
  readonly proof: string
}

/**
 * The client's proof, and the fields that it claims to cover. Undefined where the header isn't of our scheme, or
 * malformed.
 */
export const parseClientProof = (header: string | undefined): ClientProof | undefined => {
  const [, serverNonce, clientNonce, host, port, address, proof] = clientProofForm.exec(header ?? "") ?? []
  if (serverNonce === undefined || clientNonce === undefined || host === undefined) return undefined
  if (port === undefined || address === undefined || proof === undefined) return undefined
  return { handshake: { serverNonce, clientNonce, dialled: { host, port: Number(port), address } }, proof }
}

export const printServerProof = (proof: string): string => `proof="${proof}"`

/** Empty where there is none. */
export const parseServerProof = (header: string | ReadonlyArray<string> | undefined): string =>
  serverProofForm.exec(typeof header === "string" ? header : "")?.[1] ?? ""

const challengeForm = /(?:^|,) *Effect-IPC +nonce="([\w-]{22})"(, *stale="true")? *(?:,|$)/i

const bearerForm = /(?:^|,) *Bearer *(?:[ ,]|$)/i

const clientProofForm =
  /^Effect-IPC +nonce="([\w-]{22})", *cnonce="([\w-]{22})", *host="([^"\\]{1,255})", *port="(\d{1,5})", *address="([^"\\]{1,64})", *proof="([\w-]{43})"$/i

const serverProofForm = /^proof="([\w-]{43})"$/
