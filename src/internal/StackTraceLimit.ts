/**
 * How many lines of stack trace the errors of this process get.
 *
 * @internal
 */

let isWritable = true

/** Sets it. Where a program has frozen `Error`, nothing changes. */
export const set = (limit: number): void => {
  if (!isWritable) return
  try {
    Error.stackTraceLimit = limit
  } catch {
    isWritable = false
  }
}
