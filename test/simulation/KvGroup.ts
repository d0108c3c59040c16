/**
 * Participants over a bucket, each with a connection to the one server: it may be cut, stalled, or lose what the watch tells.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Bucket, BucketListener, Entry } from "../../src/lease/Bucket.js"
import { BucketUnavailable, RevisionMismatch } from "../../src/lease/Bucket.js"
import * as LeaseMember from "../../src/lease/LeaseMember.js"
import { MemoryBucket } from "../support/MemoryBucket.js"
import type { Network } from "./Network.js"
import type { Group } from "./Run.js"
import { Host } from "./World.js"

/** In milliseconds. */
const lease = 3000
const writeTimeout = 2000

/** So short that clocks that are set make the server drop what is in use. */
const shortAge = 45_000

/** So long that it drops none, whatever clocks are set to. Where leases differ, only records tell of a longer one. */
const longAge = 24 * 3_600_000

/** What a host has of the server, until it breaks. */
interface Connection {
  isOpen: boolean
  lastArrival: number
  lastAnswer: number
  readonly onBreak: Set<() => void>
}

/** In a third of the seeds, participants have different ones. */
const otherLeases = [1500, lease, 9000] as const

export const make = (network: Network): Group => {
  const { world } = network
  const leases = world.integer(3) === 0 ? otherLeases : [lease]
  const maxAge = leases === otherLeases ? longAge : shortAge
  const server = new Host(world, "server")
  const bucket = new MemoryBucket(() => server.clock.unsafeCurrentTimeMillis(), maxAge)
  const connections = new Map<Host, Connection>()
  /** What the store that leaders write to has taken: the highest token, and whose term it was. */
  let highestToken = 0

  const connectionOf = (host: Host): Connection => {
    const existing = connections.get(host)
    if (existing?.isOpen === true) return existing
    const connection = { isOpen: true, lastArrival: 0, lastAnswer: 0, onBreak: new Set<() => void>() }
    connections.set(host, connection)
    return connection
  }

  /** On one connection, what is sent first arrives first. */
  const toServer = (host: Host, connection: Connection, run: () => void): void => {
    connection.lastArrival = Math.max(connection.lastArrival, world.now + network.delay(host, server))
    server.after(connection.lastArrival - world.now, run)
  }
  const toHost = (host: Host, connection: Connection, run: () => void): void => {
    connection.lastAnswer = Math.max(connection.lastAnswer, world.now + network.delay(server, host))
    host.after(connection.lastAnswer - world.now, () => {
      if (connection.isOpen) run()
    })
  }

  const ask = (
    host: Host,
    write: () => number | undefined
  ): Effect.Effect<number, RevisionMismatch | BucketUnavailable> =>
    Effect.async<number, RevisionMismatch | BucketUnavailable>((resume) => {
      const connection = connectionOf(host)
      const onBreak = () => resume(new BucketUnavailable({ reason: "NoAnswer", detail: "the connection broke" }))
      connection.onBreak.add(onBreak)
      toServer(host, connection, () => {
        const revision = write()
        toHost(host, connection, () => {
          connection.onBreak.delete(onBreak)
          resume(revision === undefined ? new RevisionMismatch() : Effect.succeed(revision))
        })
      })
      return Effect.sync(() => connection.onBreak.delete(onBreak))
    }).pipe(
      Effect.timeoutFail({
        duration: writeTimeout,
        onTimeout: () => new BucketUnavailable({ reason: "NoAnswer", detail: "no answer" })
      })
    )

  const watch = (host: Host, listener: BucketListener): Effect.Effect<never, BucketUnavailable, Scope.Scope> =>
    Effect.async((_resume) => {
      let isOver = false
      let unsubscribe = () => {}
      let last = 0
      /** After a break it goes on from what it has seen; now and then it doesn't notice. */
      const connect = (isFirst: boolean): void => {
        const connection = connectionOf(host)
        const tell = (entry: Entry) =>
          toHost(host, connection, () => {
            if (isOver) return
            last = entry.revision
            listener.onEntry(entry)
          })
        connection.onBreak.add(() => {
          unsubscribe()
          if (!isOver && world.between(0, 1) < 0.8) host.after(world.between(10, 2000), () => connect(false))
        })
        toServer(host, connection, () => {
          if (isOver || !connection.isOpen) return
          unsubscribe()
          for (const entry of bucket.after(isFirst ? 0 : last)) tell(entry)
          unsubscribe = bucket.subscribe(tell)
          if (isFirst) {
            toHost(host, connection, () => {
              if (!isOver) listener.onCurrent()
            })
          }
        })
      }
      connect(true)
      return Effect.sync(() => {
        isOver = true
        unsubscribe()
      })
    })

  const bucketOf = (host: Host): Bucket => ({
    write: (key, value, expected) => ask(host, () => bucket.write(key, value, expected)),
    remove: (key, expected) => ask(host, () => bucket.write(key, undefined, expected)),
    watch: (listener) => watch(host, listener)
  })

  const breakConnection = (host: Host): void => {
    const connection = connections.get(host)
    if (connection === undefined || !connection.isOpen) return
    host.after(world.between(0, network.maxDelay), () => {
      if (!connection.isOpen) return
      connection.isOpen = false
      for (const onBreak of connection.onBreak) onBreak()
    })
  }

  return {
    server,
    takePart: (host) =>
      LeaseMember.make(bucketOf(host), {
        runtimeId: host.name,
        lease: leases[world.integer(leases.length)] ?? lease,
        maxAge
      }),
    onKill: breakConnection,
    onCut: (host) => {
      if (host === server) for (const linked of connections.keys()) breakConnection(linked)
      else breakConnection(host)
    },
    /** Leaders write to a store, which refuses a token that is lower than one that it has taken. */
    whileLeading: (host, election, term) =>
      Effect.flatMap(election.term, (token) =>
        Effect.forever(
          Effect.zipRight(
            Effect.sync(() => {
              const connection = connectionOf(host)
              toServer(host, connection, () => {
                if (Option.isNone(token) || token.value < highestToken) return
                highestToken = token.value
                term.accepted()
              })
            }),
            Effect.sleep("300 millis")
          )
        )
      ),
    /** A restart of a watch, a lease, and another for what the last ones left. */
    quietMillis: 30_000 + 10_000 * (Math.max(...leases) / lease)
  }
}
