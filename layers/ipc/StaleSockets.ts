/**
 * Socket files of servers that were killed. The next holder of a port replaces its file; those of ports that no process
 * holds again would stay for ever, so a server removes some when it starts.
 *
 * @internal
 */
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** A younger file may be of a server that has bound it and doesn't listen yet, in milliseconds. */
const leastAgeMillis = 60_000

/** How many files one server looks at. */
const most = 64

/** Removes files of this user's directory on which no process listens. */
export const remove = (directory: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const names = yield* Effect.tryPromise(() => Fs.promises.readdir(directory))
    const files = names.filter((name) => socketName.test(name)).map((name) => join(directory, name))
    yield* Effect.forEach(some(files), (file) => Effect.ignore(removeStale(file, now)), { discard: true })
  }).pipe(Effect.ignore)

/** A network namespace and a port, and what a name has before it is that. */
const socketName = /^\d+-\d+(\.[0-9a-f]{8})*$/

/** Others than the last time, where there are many. */
const some = (files: ReadonlyArray<string>): ReadonlyArray<string> => {
  const start = files.length > most ? Math.floor(Math.random() * files.length) : 0
  return [...files.slice(start), ...files.slice(0, start)].slice(0, most)
}

const removeStale = Effect.fnUntraced(function* (file: string, now: number) {
  const { ino, mtimeMs } = yield* socketAt(file)
  if (now - Number(mtimeMs) < leastAgeMillis || !(yield* isRefused(file))) return
  // The port's next holder may have put its own there since.
  const aside = `${file}.${randomBytes(4).toString("hex")}`
  yield* attempt(() => {
    Fs.renameSync(file, aside)
    if (Fs.lstatSync(aside, { bigint: true }).ino === ino) Fs.unlinkSync(aside)
    else Fs.renameSync(aside, file)
  })
})

const socketAt = (file: string) =>
  Effect.filterOrFail(
    attempt(() => Fs.lstatSync(file, { bigint: true })),
    (stat) => stat.isSocket(),
    () => "it isn't a socket"
  )

/** Whether no process listens there. A server that has no room for another connection doesn't refuse it so. */
const isRefused = (file: string): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const socket = Net.connect(file)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(false))
    })
    socket.on("error", ({ code }: NodeJS.ErrnoException) => resume(Effect.succeed(code === "ECONNREFUSED")))
    return Effect.sync(() => socket.destroy())
  })

const attempt = <A>(run: () => A): Effect.Effect<A, string> =>
  Effect.try({ try: run, catch: (error) => (error as Error).message })
