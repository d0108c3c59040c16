/** A Tracer that keeps what it is told. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { Waiters } from "../../src/internal/Waiters.js"

export class RecordedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly sampled = true
  readonly attributes = new Map<string, unknown>()
  readonly traceId: string
  readonly spanId: string
  status: Tracer.SpanStatus

  constructor(
    readonly name: string,
    readonly parent: Option.Option<Tracer.AnySpan>,
    readonly context: Context.Context<never>,
    readonly links: ReadonlyArray<Tracer.SpanLink>,
    startTime: bigint,
    readonly kind: Tracer.SpanKind,
    number: number,
    private readonly onEnd: () => void
  ) {
    this.traceId = Option.match(parent, { onNone: () => hex(number, 32), onSome: (span) => span.traceId })
    this.spanId = hex(number, 16)
    this.status = { _tag: "Started", startTime }
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    this.onEnd()
  }

  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }

  event(): void {}

  addLinks(): void {}
}

export interface Recorder {
  readonly tracer: Tracer.Tracer
  readonly spans: ReadonlyArray<RecordedSpan>
  /** Each span below its parent: `kind name`, indented, with `!` where it failed and `…` where it hasn't ended. */
  readonly tree: () => ReadonlyArray<string>
  /** Waits until so many spans have ended. */
  readonly ended: (count: number) => Effect.Effect<void>
}

export const makeRecorder = (): Recorder => {
  const spans: Array<RecordedSpan> = []
  const waiters = new Waiters()
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const span = new RecordedSpan(name, parent, context, links, startTime, kind, spans.length + 1, () =>
        waiters.announce()
      )
      spans.push(span)
      return span
    },
    context: (f) => f()
  })
  const below = (parent: string | undefined, depth: number): ReadonlyArray<string> =>
    spans
      .filter((span) => (parent === undefined ? !spans.some(isParentOf(span)) : parentOf(span) === parent))
      .flatMap((span) => [
        `${"  ".repeat(depth)}${span.kind} ${span.name}${outcome(span)}`,
        ...below(span.spanId, depth + 1)
      ])
  const ended = (count: number) =>
    waiters.until(() =>
      spans.filter(({ status }) => status._tag === "Ended").length >= count ? Effect.void : undefined
    )
  return { tracer, spans, tree: () => below(undefined, 0), ended }
}

const isParentOf = (child: RecordedSpan) => (span: RecordedSpan) => span.spanId === parentOf(child)

const parentOf = ({ parent }: RecordedSpan) => Option.getOrUndefined(Option.map(parent, ({ spanId }) => spanId))

const outcome = ({ status }: RecordedSpan): string => {
  if (status._tag === "Started") return " …"
  return Exit.isFailure(status.exit) ? " !" : ""
}

const hex = (number: number, length: number) => number.toString(16).padStart(length, "a")

/** Runs an effect whose spans the recorder keeps. */
export const recordedBy =
  ({ tracer }: Recorder) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withTracer(effect, tracer)
