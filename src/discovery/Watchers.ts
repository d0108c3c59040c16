/**
 * The followers that the leader tells of every change, each as fast as it reads.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isPlain, type RouteChange } from "../DiscoveryEntry.js"
import type { ClientNotConnected, NotifyError } from "../IPCError.js"
import type { ConnectedClient } from "../IPCPeer.js"
import { detached } from "../internal/Detached.js"
import { nextTurn } from "../internal/NextTurn.js"
import * as Protocol from "./DiscoveryProtocol.js"

export interface Watchers {
  /** From now on, of all entries or of those that earlier versions know. A client without a runtimeId can't be told. */
  readonly add: (client: ConnectedClient, all: boolean) => void
  readonly publish: (version: number, changes: ReadonlyArray<RouteChange>) => Effect.Effect<void>
  /** Forgets the watchers whose connection has ended. */
  readonly retain: (isConnected: (clientId: string) => boolean) => void
}

/** The payload of `Protocol.Changed`. */
export interface ChangedMessage {
  readonly version: number
  readonly changes: ReadonlyArray<RouteChange>
  readonly missed?: boolean
}

interface Watcher {
  readonly runtimeId: string
  readonly clientId: string
  readonly all: boolean
  /** The number of the next message to send. */
  next: number
  isSending: boolean
}

/** How many changes are sent in one turn of the event loop, to all watchers together: the leader has other work, too. */
const changesInTurn = 1024

/** A message costs as much as so many of its changes. */
const messageCost = 16

/** Sends a message to one client. */
export type Notify = (
  runtimeId: string,
  message: ChangedMessage
) => Effect.Effect<void, NotifyError | ClientNotConnected>

/**
 * Keeps changes until the slowest watcher has them, up to so many. One that is further behind is told that it missed some.
 */
export const make: (notify: Notify, maxChangesKept: number) => Effect.Effect<Watchers, never, Scope.Scope> =
  Effect.fnUntraced(function* (notify, maxChangesKept) {
    const scope = yield* Effect.scope
    const watchers = new Map<string, Watcher>()
    const messages: Array<ChangedMessage> = []
    /** The number of the oldest message that is kept. */
    let oldest = 0
    let changesKept = 0
    let version = 0
    /** How many watchers have messages to come. */
    let sending = 0

    let spent = 0
    let isTurnCounted = false

    /** Waits for a turn that has so much left. */
    const spend = (cost: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (spent >= changesInTurn) return Effect.zipRight(nextTurn, spend(cost))
        spent += cost
        return isTurnCounted ? Effect.void : Effect.asVoid(Effect.forkIn(detached(countAnew), scope))
      })

    const countAnew = Effect.suspend(() => {
      isTurnCounted = true
      return Effect.map(nextTurn, () => {
        isTurnCounted = false
        spent = 0
      })
    })

    const end = () => oldest + messages.length

    const trim = () => {
      while (changesKept > maxChangesKept) {
        changesKept -= messages.shift()?.changes.length ?? 0
        oldest++
      }
    }

    const clear = () => {
      oldest = end()
      messages.length = 0
      changesKept = 0
    }

    const takeNext = (watcher: Watcher): ChangedMessage | undefined => {
      if (watcher.next >= end()) return undefined
      if (watcher.next >= oldest) return messages[watcher.next++ - oldest]
      watcher.next = end()
      return { version, changes: [], missed: true }
    }

    const send = (watcher: Watcher): Effect.Effect<void> =>
      Effect.suspend(() => {
        const next = watchers.get(watcher.runtimeId) === watcher ? takeNext(watcher) : undefined
        if (next === undefined) {
          watcher.isSending = false
          if (--sending === 0) clear()
          return Effect.void
        }
        const notified = Effect.catchAll(
          notify(watcher.runtimeId, watcher.all ? next : plain(next)),
          (error: NotifyError | ClientNotConnected) => Effect.sync(() => onFailure(watcher, error))
        )
        return Effect.zipRight(Effect.zipRight(spend(next.changes.length + messageCost), notified), send(watcher))
      })

    const onFailure = (watcher: Watcher, error: NotifyError | ClientNotConnected): void => {
      // A watcher that doesn't read is told that it missed changes once it does.
      if (error._tag === "RequestTimeout") watcher.next = Number.NEGATIVE_INFINITY
      else if (watchers.get(watcher.runtimeId) === watcher) watchers.delete(watcher.runtimeId)
    }

    const service: Watchers = {
      add: ({ clientId, runtimeId }, all) => {
        if (runtimeId === undefined) return
        watchers.set(runtimeId, { runtimeId, clientId, all, next: end(), isSending: false })
      },
      publish: (latest, changes) =>
        Effect.suspend(() => {
          version = latest
          if (watchers.size === 0) return Effect.void
          for (const part of Arr.chunksOf(changes, Protocol.maxRoutesAtOnce)) messages.push({ version, changes: part })
          changesKept += changes.length
          trim()
          const idle = Array.from(watchers.values()).filter((watcher) => !watcher.isSending)
          for (const watcher of idle) watcher.isSending = true
          sending += idle.length
          return Effect.forEach(idle, (watcher) => Effect.forkIn(detached(send(watcher)), scope), { discard: true })
        }),
      retain: (isConnected) => {
        for (const [runtimeId, { clientId }] of watchers) if (!isConnected(clientId)) watchers.delete(runtimeId)
      }
    }
    return service
  })

/** For participants of earlier versions. */
const plain = (message: ChangedMessage): ChangedMessage =>
  message.changes.some(({ route }) => !isPlain(route))
    ? { ...message, changes: message.changes.filter(({ route }) => isPlain(route)) }
    : message
