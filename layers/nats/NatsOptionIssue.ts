/**
 * What is wrong with the values of a participant's options.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import type { Check, OptionNames } from "../../src/internal/OptionNames.js"
import { issueOf, kindOf } from "../../src/internal/OptionNames.js"
import * as Credentials from "../ipc/Credentials.js"
import type { NatsCredentials } from "./NatsOptions.js"

export const leaseIssue: Check = (name, value) => {
  const issue = ArgumentIssue.durationIssue(name, value)
  if (issue !== undefined) return issue
  const lease = Duration.decode(value as Duration.DurationInput)
  return Duration.between(lease, { minimum: Duration.seconds(1), maximum: Duration.hours(1) })
    ? undefined
    : `${name} is from a second to an hour, not ${Duration.format(lease)}`
}

/** A server takes 5 at most. */
export const replicasIssue: Check = (name, value) =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 5
    ? undefined
    : `${name} is a whole number from 1 to 5, not ${ArgumentIssue.shown(value)}`

export const runtimeIdIssue: Check = (name, value) =>
  typeof value === "string" && !Credentials.isValidRuntimeId(value)
    ? Credentials.invalidRuntimeId
    : ArgumentIssue.textIssue(name, value)

const secretIssue: Check = (name, value) =>
  Redacted.isRedacted(value) && typeof Redacted.value(value) === "string"
    ? undefined
    : `${name} of its credentials is a secret: pass Redacted.make(...) of a string, not ${kindOf(value)}`

const credentialIssue: Check = (name, value) => ArgumentIssue.textIssue(`${name} of its credentials`, value)

const tlsIssue: Check = (name, value) =>
  typeof value === "boolean"
    ? undefined
    : issueOf(`${name} of its credentials`, value, {
        caFile: credentialIssue,
        certFile: credentialIssue,
        keyFile: credentialIssue
      } satisfies OptionNames<Exclude<NatsCredentials["tls"], boolean | undefined>>)

export const credentialsIssue: Check = (name, credentials) =>
  issueOf(name, credentials, {
    user: credentialIssue,
    password: secretIssue,
    token: secretIssue,
    nkeySeed: secretIssue,
    credsFile: credentialIssue,
    tls: tlsIssue
  } satisfies OptionNames<NatsCredentials>)
