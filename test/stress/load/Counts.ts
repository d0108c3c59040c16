/**
 * Counts requests by kind: each that begins has to succeed, fail with an error of a known kind, or be aborted on purpose.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { eachRequest } from "./eachRequest.js"

export interface Kind {
  begun: number
  succeeded: number
  aborted: number
  /** By tag. */
  readonly failed: Record<string, number>
}

export interface Report {
  readonly kinds: Readonly<Record<string, Kind>>
  /** Requests that ended in a way that nothing provides for. */
  readonly defects: ReadonlyArray<string>
}

/** Well beyond every timeout of the library: what takes longer hangs. */
const patience = "30 seconds"

/** How many defects are kept. */
const maxDefects = 20

export class Counts {
  readonly #kinds = new Map<string, Kind>()
  readonly #defects: Array<string> = []

  /** Runs the request and counts how it ended. */
  track(name: string, request: Effect.Effect<unknown, { readonly _tag: string }>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const kind = this.#kind(name)
      kind.begun++
      eachRequest()
      return request.pipe(
        Effect.timeoutFail({ duration: patience, onTimeout: () => ({ _tag: hung }) }),
        Effect.onExit((exit) => Effect.sync(() => this.#count(name, kind, exit))),
        Effect.catchAllCause(() => Effect.void)
      )
    })
  }

  /** How many have begun and not ended. */
  open(): number {
    return Array.from(this.#kinds.values()).reduce((sum, kind) => sum + openOf(kind), 0)
  }

  report(): Report {
    return { kinds: Object.fromEntries(this.#kinds), defects: this.#defects }
  }

  #kind(name: string): Kind {
    const known = this.#kinds.get(name)
    if (known !== undefined) return known
    const kind: Kind = { begun: 0, succeeded: 0, aborted: 0, failed: {} }
    this.#kinds.set(name, kind)
    return kind
  }

  #count(name: string, kind: Kind, exit: Exit.Exit<unknown, { readonly _tag: string }>): void {
    if (exit._tag === "Success") {
      kind.succeeded++
      return
    }
    if (Cause.isInterruptedOnly(exit.cause)) {
      kind.aborted++
      return
    }
    const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
    const tag = failure?._tag ?? "defect"
    kind.failed[tag] = (kind.failed[tag] ?? 0) + 1
    if ((failure === undefined || tag === hung) && this.#defects.length < maxDefects) {
      this.#defects.push(`${name}: ${Cause.pretty(exit.cause).slice(0, 500)}`)
    }
  }
}

const hung = "hung"

export const openOf = (kind: Kind): number =>
  kind.begun - kind.succeeded - kind.aborted - Object.values(kind.failed).reduce((sum, count) => sum + count, 0)

/** Succeeds where the request fails so. */
export const failing = <A, E extends { readonly _tag: string }>(
  request: Effect.Effect<A, E>,
  tag: string
): Effect.Effect<void, E> =>
  Effect.matchEffect(request, {
    onFailure: (error) => (error._tag === tag ? Effect.void : Effect.fail(error)),
    onSuccess: (answer) => Effect.dieMessage(`${String(answer)} instead of ${tag}`)
  })
