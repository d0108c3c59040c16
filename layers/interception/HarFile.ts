/**
 * HAR files, written entry by entry, so that none is in memory as a whole.
 *
 * @internal
 */
import { type FileHandle, open as openFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Har from "../../src/internal/Har.js"
import { emptyLog } from "../../src/internal/Har.js"

/** What comes before the first entry, and after the last one. */
const frame = (version: string): readonly [before: string, after: string] => {
  const [before = "", after = ""] = JSON.stringify(emptyLog(version)).split("[]")
  return [`${before}[`, `\n]${after}\n`]
}

/** The text of a whole file. */
export function* parts(version: string, entries: Iterable<Har.HarEntry>): Iterable<string> {
  const [before, after] = frame(version)
  yield before
  let separator = ""
  for (const entry of entries) {
    yield `${separator}\n${JSON.stringify(entry)}`
    separator = ","
  }
  yield after
}

export interface HarFile {
  /** The file is whole after each entry. */
  readonly append: (entry: Har.HarEntry) => Effect.Effect<void, Error>
}

/** Writes a file that its owner alone may read, in place of one that is there, until the scope closes. */
export const open: (path: string, version: string) => Effect.Effect<HarFile, Error, Scope.Scope> = Effect.fnUntraced(
  function* (path, version) {
    const [before, after] = frame(version)
    const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: (error) => error as Error })
    const file = yield* Effect.acquireRelease(
      attempt(() => openPrivate(path)),
      (file) => Effect.promise(() => file.close())
    )
    yield* attempt(() => file.write(before + after, 0))
    let end = Buffer.byteLength(before)
    let separator = ""
    return {
      append: (entry) =>
        Effect.suspend(() => {
          const text = `${separator}\n${JSON.stringify(entry)}`
          const at = end
          separator = ","
          end += Buffer.byteLength(text)
          return Effect.asVoid(attempt(() => file.write(text + after, at)))
        })
    }
  }
)

const openPrivate = async (path: string): Promise<FileHandle> => {
  const file = await openFile(path, "w", 0o600)
  // One that was there keeps its mode.
  await file.chmod(0o600)
  return file
}
