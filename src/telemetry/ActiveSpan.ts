/**
 * The span of the call whose handler is just being called, for handlers that aren't effects: what is no fiber has no context.
 *
 * @internal
 */
import type { AnySpan } from "effect/Tracer"

let active: AnySpan | undefined

export const current = (): AnySpan | undefined => active

/** Calls a function, which asks for its span before it returns. */
export const during = <A>(span: AnySpan, call: () => A): A => {
  const before = active
  active = span
  try {
    return call()
  } finally {
    active = before
  }
}
