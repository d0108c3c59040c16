/**
 * Matchers, options and faults of programs that no compiler checks: refused where the interceptor is made, with an
 * error that says what to write instead.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type {
  AwaitOptions,
  AwaitRequestOptions,
  Fault,
  HttpInterception,
  InterceptorOptions,
  MockOptions
} from "../../src/HttpInterception.js"
import { InvalidInterceptor } from "../../src/InterceptionError.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { issueOf, kindOf, type Names, type OptionNames } from "../../src/internal/OptionNames.js"
import type { RequestMatcher, ValueMatcher, ValueMatchers } from "../../src/RequestMatcher.js"
import * as Difference from "./Difference.js"

const matcherNames: OptionNames<RequestMatcher> = {
  method: true,
  path: true,
  query: true,
  headers: true,
  body: true,
  api: true
}

export const interceptorOptions: OptionNames<InterceptorOptions> = { times: true, name: true, optional: true }

export const mockOptions: OptionNames<MockOptions> = { ...interceptorOptions, cors: true, delay: true }

/** Fails where the matcher or the options have a name that isn't known, or a value of the wrong kind. */
export const check = (
  matcher: RequestMatcher,
  names: Names,
  options: MockOptions
): Effect.Effect<void, InvalidInterceptor> =>
  refuse(
    matcherIssue(matcher) ??
      issueOf("its options", options, names) ??
      countIssue("times", options.times) ??
      ArgumentIssue.textIssue("name", options.name) ??
      ArgumentIssue.flagIssue("optional", options.optional) ??
      ArgumentIssue.flagIssue("cors", options.cors) ??
      durationIssue("delay", options.delay)
  )

const matcherIssue = (matcher: RequestMatcher): string | undefined =>
  matcher === undefined
    ? "its request matcher is missing; Intercept.any() takes every request"
    : (issueOf("a request matcher", matcher, matcherNames) ??
      ArgumentIssue.textIssue("its method", matcher.method) ??
      ArgumentIssue.nameIssue("its api", matcher.api) ??
      (matcher.path === undefined ? undefined : ArgumentIssue.pathIssue(matcher.path)) ??
      valuesIssue("query", matcher.query) ??
      valuesIssue("headers", matcher.headers))

/** Fails where a matcher or options that a call to read or await requests was given are wrong. */
export const checkCall = (
  call: string,
  matcher: RequestMatcher,
  options: AwaitRequestOptions = {}
): Effect.Effect<void, InvalidInterceptor> =>
  refuse(
    matcherIssue(matcher) ??
      issueOf("its options", options, awaitRequestOptions) ??
      countIssue("count", options.count) ??
      durationIssue("timeout", options.timeout),
    call
  )

/** Fails where the n-th of something can't be awaited so. */
export const checkNth = (call: string, n: number, options: AwaitOptions): Effect.Effect<void, InvalidInterceptor> =>
  refuse(
    (n === undefined ? "it takes the number of what is awaited, counted from 1" : countIssue("the number", n)) ??
      issueOf("its options", options, awaitOptions) ??
      durationIssue("timeout", options.timeout),
    call
  )

/** Dies where the options of a session are wrong. */
export const checkSession = (options: HttpInterception.SessionOptions): Effect.Effect<void> =>
  Effect.orDie(
    refuse(
      issueOf("its options", options, sessionOptions) ?? ArgumentIssue.flagIssue("strict", options.strict),
      "session"
    )
  )

const sessionOptions: OptionNames<HttpInterception.SessionOptions> = { strict: true }

const durationIssue = (name: string, duration: unknown): string | undefined =>
  duration === undefined ? undefined : ArgumentIssue.durationIssue(name, duration)

const awaitOptions: OptionNames<AwaitOptions> = { timeout: true }

const awaitRequestOptions: OptionNames<AwaitRequestOptions> = { ...awaitOptions, count: true }

export const checkHandler = (handler: unknown): Effect.Effect<void, InvalidInterceptor> =>
  refuse(
    typeof handler === "function"
      ? undefined
      : `its handler is a function, not ${kindOf(handler)}; for a fixed answer pass Intercept.json(…) or its like`
  )

const faultNames: { readonly [Tag in Fault["_tag"]]: OptionNames<Extract<Fault, { readonly _tag: Tag }>> } = {
  Delay: { _tag: true, duration: true },
  Status: { _tag: true, status: true },
  Drop: { _tag: true },
  ResetInBody: { _tag: true, afterBytes: true }
}

export const checkFault = (fault: Fault): Effect.Effect<void, InvalidInterceptor> => {
  const known = Predicate.hasProperty(fault, "_tag") && Object.hasOwn(faultNames, fault._tag)
  if (!known) {
    return refuse("its fault is Intercept.delay(…), failWith(…), drop or resetInBody(…); an answer goes to mock")
  }
  const issue = issueOf(`the fault ${fault._tag}`, fault, faultNames[fault._tag])
  if (issue !== undefined) return refuse(issue)
  if (fault._tag === "Delay") return refuse(ArgumentIssue.durationIssue("its duration", fault.duration))
  if (fault._tag === "Status") return refuse(ArgumentIssue.statusIssue(fault.status))
  return fault._tag === "ResetInBody" ? refuse(ArgumentIssue.bytesIssue("afterBytes", fault.afterBytes)) : Effect.void
}

/** Fails with the issue, where there is one. */
export const refuse = (issue: string | undefined, call?: string): Effect.Effect<void, InvalidInterceptor> =>
  issue === undefined ? Effect.void : new InvalidInterceptor({ issue, ...(call === undefined ? {} : { call }) })

const countIssue = (name: string, count: unknown): string | undefined =>
  count === undefined ? undefined : ArgumentIssue.countIssue(name, count)

const valuesIssue = (part: string, matchers: ValueMatchers | undefined): string | undefined => {
  if (matchers === undefined) return undefined
  const values: unknown = Difference.isExact(matchers) ? matchers.value : matchers
  if (!Predicate.isRecord(values) || values instanceof RegExp) {
    return `its ${part} is an object of names and values, not ${values instanceof RegExp ? "an expression" : kindOf(values)}`
  }
  for (const [name, value] of Object.entries(values)) {
    if (!isValueMatcher(value)) return valueIssue(`${part}.${name}`, value)
  }
  return undefined
}

const isValueMatcher = (value: unknown): value is ValueMatcher =>
  value === undefined ||
  typeof value === "string" ||
  typeof value === "function" ||
  value instanceof RegExp ||
  (Array.isArray(value) && value.every((item) => typeof item === "string")) ||
  Difference.isAsymmetric(value) ||
  Difference.isAbsent(value)

const valueIssue = (part: string, value: unknown): string => {
  const isPlain = typeof value === "number" || typeof value === "boolean"
  const hint = isPlain
    ? `is text: pass ${JSON.stringify(String(value))}`
    : "is a string, an expression, a predicate, a list of strings or Intercept.absent"
  return `${part} ${hint}, not ${kindOf(value)}`
}
