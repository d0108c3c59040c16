/**
 * The Unix socket beside a port: the holder of the port puts a file where clients on this machine find it by the port
 * alone. The port stays the lock. Where it can't be used, clients use the port.
 *
 * @internal
 */
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import type * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Address from "./Address.js"
import * as StaleSockets from "./StaleSockets.js"

/** Replaces the server's IP address in a proof of the token. */
export const address = "unix"

/** Whether a server's connection came by the Unix socket. A closed TCP connection can't be told from one. */
export const isUnix = (socket: { readonly localPort?: number | undefined }): boolean => socket.localPort === undefined

/**
 * Whether a server that listens on the host holds the Unix socket of its port: the one that holds 127.0.0.1. Another server may
 * hold the same port of another address.
 */
export const belongsTo = (host: string): boolean =>
  Address.isWildcard(host) || Address.listenHost(host) === Address.defaultHost

/** The file of a Unix socket. Its server may have ended. */
export interface Found {
  readonly file: string
  /** Differs from that of an earlier or later file of the same name. */
  readonly identity: string
}

/**
 * The Unix socket of the port in the URL, if the URL has a loopback address, the file is this user's own, and connecting to
 * this file wasn't refused before.
 */
export const find = ({ hostname, port, protocol }: URL): Found | undefined => {
  if (protocol !== "ws:" || !isStandardLoopback(hostname)) return undefined
  const path = pathOf(Number(port || 80))
  if (path === undefined || typeof examine(path.directory, "directory") === "string") return undefined
  const { file } = path
  const stat = examine(file, "socket")
  if (typeof stat === "string") return undefined
  const identity = `${stat.ino} ${stat.ctimeMs}`
  return refused.get(file) === identity ? undefined : { file, identity }
}

/** Files to which connecting was refused. A killed server's file stays until the next server replaces it. */
const refused = new Map<string, string>()

/** Called after `ECONNREFUSED`: no process listens at the file, and none will, since each server makes a new file. */
export const onRefused = ({ file, identity }: Found): void => {
  refused.set(file, identity)
}

const isStandardLoopback = (hostname: string): boolean => {
  const host = Address.listenHost(hostname)
  return host === Address.defaultHost || host === "::1"
}

/**
 * Listens on the Unix socket of a port that is bound already. `release` removes the file, and is for before the port is
 * freed: no other process's file can be there then. What is connected stays.
 */
export const listen = (
  server: Net.Server,
  port: number
): Effect.Effect<{ readonly release: Effect.Effect<void> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const path = pathOf(port)
    const placed =
      path === undefined
        ? Option.none()
        : yield* place(server, path).pipe(
            Effect.tapError((problem) =>
              Effect.logWarning(`Clients on this machine connect by port ${port}, not by a Unix socket: ${problem}.`)
            ),
            Effect.option
          )
    // Only once, since another server's file may get the same inode later.
    const release = yield* Effect.once(
      Option.match(placed, { onNone: () => Effect.void, onSome: (at) => remove(server, at) })
    )
    yield* Effect.addFinalizer(() => release)
    if (path !== undefined && Option.isSome(placed)) {
      yield* Effect.forkScoped(Effect.interruptible(Effect.delay(StaleSockets.remove(path.directory), sweepDelay)))
    }
    return { release }
  }).pipe(Effect.uninterruptible)

/** Delayed so that a new leader first answers its followers. */
const sweepDelay = "10 seconds"

interface Path {
  readonly directory: string
  readonly file: string
}

/** Where the Unix socket of a port is; undefined where this system has none, or the path would be too long for it. */
const pathOf = (port: number): Path | undefined => {
  const user = process.getuid?.()
  if (user === undefined) return undefined
  const directory = join(tmpdir(), `effect-ipc-${user}`)
  const file = join(directory, `${networkNamespace()}-${port}`)
  return Buffer.byteLength(file) + uniqueLength > maxPathBytes ? undefined : { directory, file }
}

/** The size of `sun_path`, without the zero at its end. Node silently truncates a longer path. */
const maxPathBytes = process.platform === "linux" ? 107 : 103

/** Part of the file's name, since containers that share a directory each have their own ports. */
const networkNamespace = (): string => {
  try {
    return /\d+/.exec(Fs.readlinkSync("/proc/self/ns/net"))?.[0] ?? "0"
  } catch {
    return "0"
  }
}

/** Why the file isn't this user's own, if so. Links aren't followed, since other users may write to the parent directory. */
const examine = (path: string, kind: "directory" | "socket"): Fs.Stats | string => {
  try {
    const stat = Fs.lstatSync(path)
    if (kind === "directory" ? !stat.isDirectory() : !stat.isSocket()) return `${path} isn't a ${kind}`
    if (stat.uid !== process.getuid?.()) return `${path} belongs to another user`
    return kind === "directory" && (stat.mode & 0o777) !== 0o700 ? `${path} isn't for this user alone (0700)` : stat
  } catch (error) {
    return (error as Error).message
  }
}

interface Placed {
  readonly file: string
  readonly ino: bigint
}

/** Binds a temporary name and renames it, so that clients never find a socket that doesn't listen yet. */
const place = (server: Net.Server, { directory, file }: Path): Effect.Effect<Placed, string> =>
  Effect.gen(function* () {
    yield* attempt(() => Fs.mkdirSync(directory, { recursive: true, mode: 0o700 }))
    const problem = examine(directory, "directory")
    if (typeof problem === "string") return yield* Effect.fail(problem)
    const bound = file + unique()
    yield* bind(server, bound)
    const { ino } = yield* attempt(() => Fs.lstatSync(bound, { bigint: true }))
    yield* attempt(() => Fs.renameSync(bound, file))
    return { file, ino }
  }).pipe(Effect.onError(() => Effect.sync(() => server.close())))

const bind = (server: Net.Server, path: string): Effect.Effect<void, string> =>
  Effect.async((resume) => {
    const onError = (error: Error) => resume(Effect.fail(error.message))
    server.once("error", onError)
    server.listen({ path, exclusive: true }, () => {
      server.off("error", onError)
      resume(Effect.void)
    })
  })

const unique = (): string => `.${randomBytes(4).toString("hex")}`
const uniqueLength = unique().length

/** Stops listening, and removes the file unless another server has replaced it. */
const remove = (server: Net.Server, { file, ino }: Placed): Effect.Effect<void> =>
  attempt(() => {
    if (Fs.lstatSync(file, { bigint: true }).ino === ino) Fs.unlinkSync(file)
  }).pipe(Effect.ignore, Effect.ensuring(Effect.sync(() => server.close())))

const attempt = <A>(run: () => A): Effect.Effect<A, string> =>
  Effect.try({ try: run, catch: (error) => (error as Error).message })
