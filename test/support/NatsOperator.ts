/**
 * An operator of NATS: accounts and users whose rights the server reads in JWTs, each signed by who grants them.
 */
import { nkeys } from "@nats-io/transport-node"

type KeyPair = ReturnType<typeof nkeys.createUser>

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

let issued = 0

/** In seconds since 1970. */
const now = (): number => Math.floor(Date.now() / 1000)

const jwt = (issuer: KeyPair, subject: string, nats: object, claims: object = {}): string => {
  const content = { jti: `test-${++issued}`, iat: now(), iss: issuer.getPublicKey(), sub: subject, name: "test", nats }
  const signed = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode({ ...content, ...claims })}`
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString("base64url")}`
}

const unlimited = { subs: -1, data: -1, payload: -1 }

export interface Account {
  readonly publicKey: string
  readonly jwt: string
  /** What a `.creds` file of a new user has; the JWT is valid for so many seconds, for ever without. */
  readonly user: (validFor?: number) => string
}

/** `jetStream` may be left to other accounts. */
const account = (operator: KeyPair, jetStream: boolean): Account => {
  const keys = nkeys.createAccount()
  const storage = jetStream ? { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 } : {}
  const limits = { ...unlimited, ...storage, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  return {
    publicKey: keys.getPublicKey(),
    jwt: jwt(operator, keys.getPublicKey(), { limits, type: "account", version: 2 }),
    user: (validFor) => {
      const user = nkeys.createUser()
      const expiry = validFor === undefined ? {} : { exp: now() + validFor }
      const claims = jwt(keys, user.getPublicKey(), { ...unlimited, type: "user", version: 2 }, expiry)
      return credentials(claims, new TextDecoder().decode(user.getSeed()))
    }
  }
}

const credentials = (claims: string, seed: string): string =>
  [
    "-----BEGIN NATS USER JWT-----",
    claims,
    "------END NATS USER JWT------",
    "",
    "-----BEGIN USER NKEY SEED-----",
    seed,
    "------END USER NKEY SEED------",
    ""
  ].join("\n")

export interface Operator {
  readonly account: (options?: { readonly jetStream?: boolean }) => Account
  /** Lines of a server's configuration, which knows these accounts. */
  readonly config: (accounts: ReadonlyArray<Account>) => string
}

export const make = (): Operator => {
  const keys = nkeys.createOperator()
  // JetStream needs one.
  const system = account(keys, false)
  return {
    account: ({ jetStream = true } = {}) => account(keys, jetStream),
    config: (accounts) =>
      [
        `operator: ${jwt(keys, keys.getPublicKey(), { type: "operator", version: 2 })}`,
        `system_account: ${system.publicKey}`,
        "resolver: MEMORY",
        `resolver_preload: {\n${[system, ...accounts].map((known) => `${known.publicKey}: ${known.jwt}`).join("\n")}\n}`
      ].join("\n")
  }
}
