/**
 * A bucket of keys that participants of several machines share, with a revision for each write: what the election by lease
 * and its routes are built on.
 *
 * @internal
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The last write of a key: of a value, or that the key was removed. */
export interface Entry {
  readonly key: string
  /** Grows with every write of any key, as long as the bucket exists. */
  readonly revision: number
  /** None where the key was removed. */
  readonly value: string | undefined
}

export interface Bucket {
  /**
   * Writes where the key's last write is the expected one, 0 for none, and tells the new revision. Fails with
   * `BucketUnavailable` where there is no answer, or it is refused; whether it was written is unknown without an answer.
   */
  readonly write: (
    key: string,
    value: string,
    expected: number
  ) => Effect.Effect<number, RevisionMismatch | BucketUnavailable>
  /** Removes the key, on the same condition. A removal is a write: watchers are told of it. */
  readonly remove: (key: string, expected: number) => Effect.Effect<number, RevisionMismatch | BucketUnavailable>
  /**
   * Tells the last write of each key, then that these were all, then every later one. What was missed while the connection
   * was lost is told afterwards, each key's last write at least. Nothing tells of entries that the bucket dropped for their
   * age. Runs until it is interrupted, or fails.
   */
  readonly watch: (listener: BucketListener) => Effect.Effect<never, BucketUnavailable, Scope.Scope>
}

/** Called in the order of revisions. Must not throw. */
export interface BucketListener {
  readonly onEntry: (entry: Entry) => void
  readonly onCurrent: () => void
  /** What is told from now on is of another bucket than before: its revisions begin anew. */
  readonly onReplaced: () => void
}

/** The key's last write is another one than was expected. */
export class RevisionMismatch extends Data.TaggedError("RevisionMismatch") {}

/** The bucket didn't answer, or can't be used. */
export class BucketUnavailable extends Data.TaggedError("BucketUnavailable")<{
  /** `NoAnswer` may pass by itself. The others last until somebody changes the permissions, or the bucket. */
  readonly reason: "NoAnswer" | "Refused" | "Unsuitable"
  readonly detail: string
}> {}
