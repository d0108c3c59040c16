/**
 * Numbers that a peer is told.
 *
 * @internal
 */

/** The number as a whole one from 1 up; the default for what is none. */
export const wholeNumber = (value: number | undefined, otherwise: number): number =>
  value === undefined || Number.isNaN(value)
    ? otherwise
    : Math.min(Math.max(1, Math.floor(value)), Number.MAX_SAFE_INTEGER)
