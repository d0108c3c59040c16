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
    const write = (text: string, at: number) => attempt(() => writeWhole(file, Buffer.from(text), at))
    let end = Buffer.byteLength(before)
    let separator = ""
    /** Restores the file as it was before an entry for which the disk has no room. */
    const undo = Effect.suspend(() =>
      Effect.zipRight(
        attempt(() => file.truncate(end)),
        write(after, end)
      )
    )
    yield* write(before + after, 0)
    return {
      append: (entry) =>
        Effect.suspend(() => {
          const text = `${separator}\n${JSON.stringify(entry)}`
          return write(text + after, end).pipe(
            Effect.tapError(() => Effect.ignore(undo)),
            Effect.zipRight(
              Effect.sync(() => {
                separator = ","
                end += Buffer.byteLength(text)
              })
            ),
            Effect.uninterruptible
          )
        })
    }
  }
)

/** Writes all bytes from the position on. One system call may write only some of them, for example on a disk that is nearly full. */
const writeWhole = async (file: FileHandle, bytes: Buffer, at: number): Promise<void> => {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten
  }
}

const openPrivate = async (path: string): Promise<FileHandle> => {
  const file = await openFile(path, "w", 0o600)
  try {
    // A file that existed before keeps its mode.
    await file.chmod(0o600)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}
