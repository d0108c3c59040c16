/**
 * The status and message that the client gets when an upstream gives no response.
 *
 * @internal
 */
import * as Userinfo from "../../../src/internal/Userinfo.js"

/**
 * @internal
 */
export interface UpstreamFailure {
  readonly status: number
  readonly message: string
}

/**
 * The gateway's own HTTP client couldn't be loaded.
 *
 * @internal
 */
export class ClientNotLoaded extends Error {
  constructor(readonly reason: unknown) {
    super("The gateway's HTTP client couldn't be loaded")
  }
}

/**
 * The code of an error, or its name.
 *
 * @internal
 */
export const codeOf = (error: Error): string => {
  const code = (error as NodeJS.ErrnoException).code
  // undici's own code for what Node calls ECONNRESET: the other side closed.
  if (code === "UND_ERR_SOCKET") return "ECONNRESET"
  return typeof code === "string" ? code : error.name
}

/**
 * Whether the connection broke, as one does whose other end has ended.
 *
 * @internal
 */
export const isBroken = (error: Error): boolean => BROKEN.has(codeOf(error))

const BROKEN = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"])

/** The gateway's own trouble: no descriptor, port or memory for another connection. */
const EXHAUSTED = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"])

/** OpenSSL's verdicts on a certificate (X509_V_ERR_*) as Node names them, and Node's own. */
const CERTIFICATE =
  /^(?:CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH|ERR_TLS_CERT)/

/**
 * By the error, and by whether anything of the request was sent.
 *
 * @internal
 */
export const describe = (error: Error, upstream: string, sent: boolean): UpstreamFailure => {
  const baseUrl = Userinfo.hidden(upstream)
  const code = codeOf(error)
  const crash = "did the service crash?"
  if (error instanceof ClientNotLoaded) {
    return { status: 500, message: `${error.message} (${codeOf(asError(error.reason))}); ${baseUrl} was not asked.` }
  }
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED") {
    return { status: 400, message: `The request can't be passed on: ${error.message}.` }
  }
  if (code === "UND_ERR_HEADERS_TIMEOUT") {
    return { status: 504, message: `${baseUrl} took too long to answer (${code}); is the service stuck?` }
  }
  if (code === "UND_ERR_CONNECT_TIMEOUT") {
    return { status: 504, message: `${baseUrl} took too long to accept the connection (${code}); ${crash}` }
  }
  if (!sent && EXHAUSTED.has(code)) {
    return { status: 503, message: `The gateway can't open another connection, to ${baseUrl} (${code}).` }
  }
  if (!sent && CERTIFICATE.test(code)) {
    return { status: 502, message: `The certificate of ${baseUrl} isn't accepted (${code}: ${error.message}).` }
  }
  if (!sent && (code === "EPROTO" || code.startsWith("ERR_SSL_"))) {
    return { status: 502, message: `${baseUrl} doesn't speak TLS as the gateway does (${code}); is it an http URL?` }
  }
  if (!sent && (code === "ENOTFOUND" || code === "EAI_AGAIN")) {
    return { status: 502, message: `The host of ${baseUrl} isn't known (${code}); is the URL right?` }
  }
  if (!sent) return { status: 502, message: `${baseUrl} can't be reached (${code}); ${crash}` }
  if (BROKEN.has(code)) {
    return { status: 502, message: `${baseUrl} closed the connection before it answered (${code}); ${crash}` }
  }
  return { status: 502, message: `${baseUrl} gave no valid answer (${code}: ${error.message}); ${crash}` }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)))
