/**
 * Numbers of options, which may come from anywhere: `Number(process.env.LIMIT)` is NaN where there is none, and no comparison
 * with that holds.
 *
 * @internal
 */

/** The number as a whole one from 1 up; the default for what is none. */
export const wholeNumber = (value: number | undefined, otherwise: number): number =>
  Math.max(1, limit(value, otherwise))

/** The number as a whole one from 0 up; the default for what is none. */
export const limit = (value: number | undefined, otherwise: number): number =>
  value === undefined || Number.isNaN(Number(value))
    ? otherwise
    : Math.min(Math.max(0, Math.floor(value)), Number.MAX_SAFE_INTEGER)
