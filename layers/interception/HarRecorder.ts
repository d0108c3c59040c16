/**
 * Writes what reaches the gateway to a HAR file, as it is answered.
 *
 * @internal
 */
import { fileURLToPath } from "node:url"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { RecordOptions, Redaction as RedactionOptions } from "../../src/HttpInterception.js"
import { HarFailed, type InvalidInterceptor } from "../../src/InterceptionError.js"
import type { InvalidRoute } from "../../src/IPCError.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import * as Har from "../../src/internal/Har.js"
import { issueOf, kindOf, type OptionNames } from "../../src/internal/OptionNames.js"
import type { RecordedCall, RecordedMessage } from "../../src/RecordedCall.js"
import { version } from "../process/PackageVersion.js"
import * as HarFile from "./HarFile.js"
import type { Answered, Journal, View } from "./Journal.js"
import * as ReadableBody from "./ReadableBody.js"
import type { SentHeads } from "./RecordedExchange.js"
import * as Redaction from "./Redaction.js"
import * as Validation from "./Validation.js"

/** Records until the scope closes: then the file has every call that was answered. */
export const record: (
  journal: Journal,
  view: View,
  baseUrl: string,
  file: string | URL,
  options: RecordOptions
) => Effect.Effect<void, HarFailed | InvalidInterceptor | InvalidRoute, Scope.Scope> = Effect.fnUntraced(
  function* (journal, view, baseUrl, file, options) {
    yield* Validation.refuse(ArgumentIssue.fileIssue("the file", file) ?? optionsIssue(options), "record")
    const { match, redact } = options
    const path = pathOf(file)
    const redactor = redact === false ? Redaction.none : Redaction.make(redact)
    const failed = (detail: string) => new HarFailed({ file: path, action: "write", detail })
    const isWanted = match === undefined ? () => Effect.succeed(true) : yield* journal.matching("record", match)
    const har = yield* Effect.mapError(HarFile.open(path, version()), ({ message }) => failed(message))
    const answered = yield* Mailbox.make<Answered, HarFailed>({ capacity: MAX_WAITING, strategy: "dropping" })
    const write = ({ call, entry, sent }: Answered) =>
      Effect.gen(function* () {
        if (!(yield* isWanted(entry))) return
        const written = redactor.exchange(exchangeOf(baseUrl, call, sent))
        yield* Effect.mapError(har.append(Har.toEntry(written)), ({ message }) => failed(message))
      })
    const writing = yield* Stream.runForEach(Mailbox.toStream(answered), write).pipe(
      Effect.ensuring(answered.shutdown),
      Effect.forkScoped
    )
    // Runs before the file is closed: what was answered is written.
    yield* Effect.addFinalizer(() => Effect.zipRight(answered.end, Effect.orDie(Fiber.join(writing))))
    yield* journal.onCall(view, (call) => {
      if (answered.unsafeOffer(call)) return
      answered.unsafeDone(Exit.fail(failed(`${MAX_WAITING} exchanges wait to be written`)))
    })
  }
)

const optionsIssue = (options: RecordOptions): string | undefined =>
  issueOf("its options", options, { match: true, redact: true } satisfies OptionNames<RecordOptions>) ??
  (options.redact === false ? undefined : redactionIssue(options.redact))

const redactionIssue = (redact: unknown): string | undefined => {
  if (redact === undefined) return undefined
  const issue = issueOf("redact", redact, { headers: true, fields: true } satisfies OptionNames<RedactionOptions>)
  if (issue !== undefined) return `${issue}; false hides nothing`
  for (const [name, names] of Object.entries(redact as RedactionOptions)) {
    const isNames = names === undefined || (Array.isArray(names) && names.every((one) => typeof one === "string"))
    if (!isNames) return `redact.${name} is a list of names, not ${kindOf(names)}`
  }
  return undefined
}

export const pathOf = (file: string | URL): string => (file instanceof URL ? fileURLToPath(file) : file)

const exchangeOf = (baseUrl: string, call: RecordedCall, sent: SentHeads): Har.HarExchange => {
  const { duration, failure, request, response, startedAt } = call
  return {
    startedAt,
    durationMillis: Duration.toMillis(duration),
    waitMillis: sent.waitMillis,
    request: {
      method: request.method,
      url: `${baseUrl}${sent.target}`,
      headers: sent.request,
      body: bodyOf(request)
    },
    response:
      response === undefined ? undefined : { status: response.status, headers: sent.response, body: bodyOf(response) },
    failure
  }
}

/** As readable as HAR wants it: without its content encoding. */
const bodyOf = ({ bytes, headers, truncated }: RecordedMessage): Har.HarBody => {
  const plain = ReadableBody.decompress(headers, Buffer.from(bytes)) ?? bytes
  return { bytes: plain, size: plain.length + (truncated ? 1 : 0) }
}

/** How many exchanges may wait to be written. */
const MAX_WAITING = 10_000
