/**
 * What a test's interception reports.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { printableLines } from "./internal/Printable.js"

/**
 * Interceptors of a test weren't called as often as expected, or requests had no interceptor or route to answer them.
 *
 * @since 0.1.0
 * @category interception
 */
export class UnverifiedInterception extends Schema.TaggedError<UnverifiedInterception>(
  "effect-ipc/UnverifiedInterception"
)("UnverifiedInterception", {
  /** Those not called as often as expected; `expected` is `undefined` where one call would have done. */
  uncalled: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      calls: Schema.Number,
      expected: Schema.optional(Schema.Number),
      /** The nearest of the requests that it did not take, and the first difference. */
      nearest: Schema.optional(Schema.String)
    })
  ),
  /** The requests that were answered 404 because nothing matched. */
  unmatched: Schema.Array(
    Schema.Struct({
      method: Schema.String,
      path: Schema.String,
      nearest: Schema.optional(Schema.String),
      /** Where the request differs from the nearest interceptor. */
      differences: Schema.optional(
        Schema.Array(
          Schema.Struct({ part: Schema.String, expected: Schema.String, received: Schema.optional(Schema.String) })
        )
      )
    })
  ),
  /** The handlers of mocks that failed, such as by an assertion, and the requests that they were called with. */
  failed: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({ name: Schema.String, method: Schema.String, path: Schema.String, failure: Schema.String })
    ),
    { default: () => [] }
  ),
  /**
   * Of a session: requests that its interceptors would have taken, had they carried its trace context. A registered service
   * may have answered them.
   */
  strays: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        method: Schema.String,
        path: Schema.String,
        /** The interceptor that would have taken it. */
        interceptor: Schema.String,
        /** The trace context that it carried instead. */
        carried: Schema.optional(Schema.String)
      })
    ),
    { default: () => [] }
  )
}) {
  override get message() {
    const lines = [
      ...failedLines(this.failed),
      ...uncalledLines(this.uncalled),
      ...unmatchedLines(this.unmatched),
      ...strayLines(this.strays)
    ]
    return printableLines(lines.join("\n"))
  }
}

/**
 * An interceptor of a test can't be made as it is described, or asked in this way: a part or an option isn't known, or has a
 * wrong value.
 *
 * @since 0.2.0
 * @category interception
 */
export class InvalidInterceptor extends Schema.TaggedError<InvalidInterceptor>("effect-ipc/InvalidInterceptor")(
  "InvalidInterceptor",
  {
    issue: Schema.String,
    /** What was called, where that isn't what makes an interceptor. */
    call: Schema.optional(Schema.String)
  }
) {
  override get message() {
    const what = this.call === undefined ? "The interceptor can't be made" : `${this.call}() can't do this`
    return `${what}: ${this.issue}.`
  }
}

/**
 * A HAR file can't be written, or can't be read as one.
 *
 * @since 0.2.0
 * @category interception
 */
export class HarFailed extends Schema.TaggedError<HarFailed>("effect-ipc/HarFailed")("HarFailed", {
  file: Schema.String,
  action: Schema.Literal("read", "write"),
  /** The operating system's message, or what is wrong with the file. */
  detail: Schema.String
}) {
  override get message() {
    const what = `The HAR file ${printableLines(this.file)} can't be ${this.action === "read" ? "read" : "written"}`
    const hint =
      this.action === "read"
        ? "Record it first, by record(file), or check the path."
        : "Check that its folder exists and can be written to."
    return `${what}: ${printableLines(this.detail)}. ${hint}`
  }
}

const failedLines = (failed: UnverifiedInterception["failed"]): ReadonlyArray<string> => {
  if (failed.length === 0) return []
  return [
    "Failed while it answered (fix the handler, or what it asserts):",
    ...failed.map(({ failure, method, name, path }) => indented(`  - ${name}, asked ${method} ${path}: ${failure}`))
  ]
}

const indented = (text: string): string => text.replaceAll("\n", "\n      ")

const uncalledLines = (uncalled: UnverifiedInterception["uncalled"]): ReadonlyArray<string> => {
  if (uncalled.length === 0) return []
  return [
    "Not called as often as expected (call it, remove it, or pass { optional: true }):",
    ...uncalled.map(({ calls, expected, name, nearest }) => {
      const often = calls === 0 ? "never called" : `called ${inTimes(calls)}`
      const wanted = expected === undefined || expected === 1 ? "" : `, expected ${inTimes(expected)}`
      return `  - ${name}: ${often}${wanted}${nearest === undefined ? "" : `; nearest: ${nearest}`}`
    })
  ]
}

const unmatchedLines = (unmatched: UnverifiedInterception["unmatched"]): ReadonlyArray<string> => {
  if (unmatched.length === 0) return []
  return [
    "Answered 404, since nothing matched (mock it, or register the service):",
    ...unmatched.flatMap(({ differences = [], method, nearest, path }) => [
      `  - ${method} ${path}${nearest === undefined ? "" : `; nearest: ${nearest}`}`,
      ...(differences.length > 1 ? differences.flatMap(differenceLines) : [])
    ])
  ]
}

const strayLines = (strays: UnverifiedInterception["strays"]): ReadonlyArray<string> => {
  if (strays.length === 0) return []
  return [
    "Came without this session's trace context, so its interceptors left it alone (the test has to send the session's headers, fetch(url, { headers: session.headers }), and each service to pass traceparent or baggage on: https://github.com/effect-ipc/effect-ipc/blob/main/docs/testing.md#tests-at-the-same-time):",
    ...strays.map(
      ({ carried, interceptor, method, path }) =>
        `  - ${method} ${path}, which ${interceptor} would have taken; it carried ${carried ?? "no trace context"}`
    )
  ]
}

type Difference = NonNullable<UnverifiedInterception["unmatched"][number]["differences"]>[number]

const differenceLines = ({ expected, part, received }: Difference): ReadonlyArray<string> => [
  `      ${part}`,
  `        - ${expected}`,
  `        + ${received ?? "nothing"}`
]

const inTimes = (count: number): string => (count === 1 ? "once" : `${count} times`)
