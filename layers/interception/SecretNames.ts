/**
 * Which names say that their value lets others act in somebody's name: of headers, parameters and fields.
 *
 * @internal
 */

export interface SecretNames {
  /** Whether a value that isn't known is secret. */
  readonly has: (name: string) => boolean
  /** Whether this value is: what is true or false, or a count such as `max_tokens`, isn't. */
  readonly hides: (name: string, value: unknown) => boolean
}

/** The names that are known, and these. */
export const make = (names: ReadonlyArray<string>): SecretNames => {
  const own = new Set(names.map(plain))
  const has = (name: string): boolean => own.has(plain(name)) || isSecret(name)
  return {
    has,
    hides: (name, value) => {
      if (own.has(plain(name))) return true
      if (value === null || typeof value === "boolean") return false
      return has(name) && !(COUNTS.test(plain(name)) && isCount(value))
    }
  }
}

/** `accessToken`, `access_token` and `Access-Token` are one. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "")

const isSecret = (name: string): boolean => IN_NAME.test(plain(name)) || wordsOf(name).some((word) => WORDS.has(word))

/** Of `newPassword_2`: new, password, 2. */
const wordsOf = (name: string): ReadonlyArray<string> =>
  name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}]+/u)

const isCount = (value: unknown): boolean =>
  typeof value === "number" || (typeof value === "string" && /^\d{1,7}$/.test(value))

/** Anywhere in a name: no other word has them. */
const IN_NAME =
  /passw(?:or)?d|passphrase|passcode|secret|token|credential|authorization|cookie|jsessionid|sessionid|sessionkey|(?:api|access|private|secret|signing|encryption|master|shared|subscription|functions|account|auth|client|license)key|signature|codeverifier|clientassertion|samlresponse|privatepem|connectionstring|(?:http|basic|proxy|x)auth$|^auth$/

/** As words of their own: others have them, too. */
const WORDS: ReadonlySet<string> = new Set([
  "pwd",
  "passwd",
  "pass",
  "jwt",
  "bearer",
  "sig",
  "otp",
  "totp",
  "csrf",
  "xsrf",
  "hmac",
  "apikey"
])

const COUNTS = /^pass$|tokens$|tokens?(?:count|limit|used|usage|budget)$|(?:count|limit)tokens?$/
