/**
 * Arguments of programs that no compiler checks: each throws a `TypeError` that says what to pass instead.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { issueOf, kindOf, type Names } from "../../src/internal/OptionNames.js"
import { handled } from "./Promises.js"

export const checkRequest = (call: string, request: unknown): void => ArgumentIssue.refuse(call, requestIssue(request))

/** Rejects where it isn't the name of an api. */
export const apiIssue = (call: string, api: unknown, timeoutMs?: unknown): Promise<never> | undefined => {
  const issue = typeof api === "string" ? timeoutIssue(timeoutMs) : `its api is a string, not ${kindOf(api)}`
  return issue === undefined ? undefined : rejection(call, issue)
}

/** Rejects where one of them isn't what a request is sent with; `undefined` where both are. */
export const sendingIssue = (
  call: string,
  request: unknown,
  runtimeId: unknown = "",
  timeoutMs?: unknown
): Promise<never> | undefined => {
  const issue =
    requestIssue(request) ??
    (typeof runtimeId === "string" ? undefined : `its runtimeId is a string, not ${kindOf(runtimeId)}`) ??
    timeoutIssue(timeoutMs)
  return issue === undefined ? undefined : rejection(call, issue)
}

/** Rejects where the options of one call are wrong. */
export const optionsIssue = (call: string, options: unknown, names: Names) => {
  const issue = issueOf("its options", options, names)
  return issue === undefined ? undefined : rejection(call, issue)
}

/** Rejects where it is no function. */
export const functionIssue = (call: string, name: string, value: unknown): Promise<never> | undefined =>
  typeof value === "function" ? undefined : rejection(call, `its ${name} is a function, not ${kindOf(value)}`)

const rejection = (call: string, issue: string): Promise<never> =>
  handled(Promise.reject(new TypeError(`${call}: ${issue}.`)))

/** Its name alone, or its name and its Schemas. */
const requestIssue = (request: unknown): string | undefined =>
  typeof request === "string" || isNamed(request)
    ? undefined
    : `its request is what defineRequest("name") gives, not ${kindOf(request)}`

export const checkStream = (call: string, stream: unknown): void => {
  if (isNamed(stream)) return
  ArgumentIssue.refuse(call, `its stream is what defineStream("name") gives, not ${kindOf(stream)}`)
}

export const checkFunction = (call: string, name: string, value: unknown): void => {
  if (typeof value !== "function") ArgumentIssue.refuse(call, `its ${name} is a function, not ${kindOf(value)}`)
}

export const checkText = (call: string, name: string, value: unknown): void => {
  if (typeof value !== "string") ArgumentIssue.refuse(call, `its ${name} is a string, not ${kindOf(value)}`)
}

export const checkPort = (call: string, port: unknown, lowest: 0 | 1 = 0): void => {
  if (Number.isInteger(port) && (port as number) >= lowest && (port as number) <= 65_535) return
  const order = Predicate.isObject(port) ? `: it comes before the options, ${call}(port, options)` : ""
  ArgumentIssue.refuse(
    call,
    `its port is a whole number from ${lowest} to 65535, not ${ArgumentIssue.shown(port)}${order}`
  )
}

/** Of a client: a port, or a URL. */
export const checkAddress = (call: string, address: unknown): void => {
  if (typeof address === "number") return checkPort(call, address, 1)
  if (typeof address === "string") return
  const order = Predicate.isObject(address) ? `: it comes before the options, ${call}(address, options)` : ""
  ArgumentIssue.refuse(call, `its address is a port or a URL, not ${kindOf(address)}${order}`)
}

/** Of a service: who takes part in discovery for it, and its name. */
export const checkService = (call: string, discovery: unknown, api: unknown): void => {
  if (!Predicate.hasProperty(discovery, "host") || !Predicate.hasProperty(discovery, "onChange")) {
    const isObject = Predicate.isObject(discovery)
    ArgumentIssue.refuse(
      call,
      `its discovery is a LocalDiscovery or a Gateway, not ${kindOf(discovery)}${isObject ? inTests : ""}`
    )
  }
  checkText(call, "api", api)
}

const inTests =
  ". A test joins its gateway by new LocalDiscovery(gateway.port), a worker by new LocalDiscovery(Number(new URL(process.env.IPC_URL).port))"

const timeoutIssue = (timeoutMs: unknown): string | undefined =>
  timeoutMs === undefined || typeof timeoutMs === "number"
    ? undefined
    : `its timeout is a number of milliseconds, not ${ArgumentIssue.shown(timeoutMs)}`

const isNamed = (value: unknown): boolean => Predicate.hasProperty(value, "name") && typeof value.name === "string"
