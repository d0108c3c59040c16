/**
 * What happens at a gateway while an inspector watches it, bounded in bytes: its exchanges, its clients, and the requests of the
 * processes that are connected to it.
 *
 * @internal
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectedClient, IPCPeer } from "../../src/IPCPeer.js"
import * as LinkedList from "../../src/internal/LinkedList.js"
import { millisOf } from "../../src/internal/MonotonicTime.js"
import type { Exchange } from "../http/Exchange.js"
import type { NodeHttpGateway } from "../http/NodeHttpGateway.js"
import { FeedLog } from "./FeedLog.js"
import type { InterceptorsRecord, ProcessRecord, ReportPage, SentEvent } from "./InspectorProtocol.js"
import { Report } from "./InspectorProtocol.js"
import * as InstalledMocks from "./InstalledMocks.js"
import { type ExchangeRecorder, type ObservedExchange, observe } from "./ObservedExchange.js"
import { ownProcess, watchCalls } from "./ProcessReport.js"

export interface Recording {
  /** Told from every other recording. */
  readonly name: string
  readonly log: FeedLog
  /** What a new watcher has to know before it reads the log. */
  readonly now: Effect.Effect<ReadonlyArray<SentEvent>>
  readonly mocks: InstalledMocks.InstalledMocks
}

/** Records until the scope closes. */
export const make: (peer: IPCPeer, gateway: NodeHttpGateway) => Effect.Effect<Recording, never, Scope.Scope> =
  Effect.fnUntraced(function* (peer, gateway) {
    const clock = yield* Effect.clock
    const log = new FeedLog(maxLogBytes)
    const mocks = yield* InstalledMocks.make(gateway)

    let exchanges = 0
    /** Exchanges in flight that weren't recorded yet. */
    const open = new LinkedList.LinkedList<ObservedExchange>()
    const push = (exchange: ObservedExchange) => log.push(exchange.record())
    const recorder: ExchangeRecorder = {
      openBytes: 0,
      bodyAllowance: maxBodyBurst,
      now: () => millisOf(clock),
      origin: clock.unsafeCurrentTimeMillis() - millisOf(clock),
      onEnd: (exchange) => {
        LinkedList.remove(exchange)
        push(exchange)
      }
    }
    let reserve = maxBurst
    let left = maxPerTick
    let skipped = 0
    yield* gateway.watch((given: Exchange) => {
      if (left === 0) {
        skipped++
        return given
      }
      left--
      reserve--
      const [observed, exchange] = observe(given, ++exchanges, recorder)
      open.add(observed)
      return exchange
    })
    const refill = Effect.sync(() => {
      reserve = Math.min(maxBurst, reserve + perTick)
      left = Math.min(maxPerTick, reserve)
      recorder.bodyAllowance = Math.min(maxBodyBurst, recorder.bodyAllowance + bodyBytesPerTick)
      if (skipped === 0) return
      log.push({ _tag: "Skipped", count: skipped })
      skipped = 0
    })
    /** Those that take their time, so that they are seen before they end. */
    const showOpen = Effect.sync(() => {
      const before = recorder.now() - shownAfterMillis
      for (let first = open.first; first !== undefined && first.startedAt <= before; first = open.first) {
        LinkedList.remove(first)
        // Its bodies are recorded now, and again once it has ended.
        recorder.bodyAllowance -= first.keptBytes
        push(first)
      }
    })
    let interceptors = ""
    const showInterceptors = Effect.sync(() => {
      const record: InterceptorsRecord = {
        _tag: "Interceptors",
        interceptors: gateway.interceptors().slice(0, maxInterceptors)
      }
      const text = JSON.stringify(record)
      if (text === interceptors) return
      interceptors = text
      log.push(record)
    })
    yield* Effect.forkScoped(
      Effect.schedule(
        Effect.all([refill, showOpen, showInterceptors], { discard: true }),
        Schedule.spaced("200 millis")
      )
    )

    const processes = yield* watchProcesses(peer, log)
    return {
      name: randomUUID(),
      log,
      mocks,
      now: Effect.map(peer.clients, (clients) => {
        const at = clock.unsafeCurrentTimeMillis()
        const connected = clients
          .slice(0, maxProcesses)
          .map((client): SentEvent => ({ _tag: "Connected", ...client, at }))
        return [...processes.values(), ...connected, JSON.parse(interceptors || noInterceptors) as InterceptorsRecord]
      })
    }
  })

const noInterceptors = JSON.stringify({ _tag: "Interceptors", interceptors: [] } satisfies InterceptorsRecord)

/** Asks every participant what it is and what it requests, those that come later too. Gives the processes known now. */
const watchProcesses = Effect.fnUntraced(function* (peer: IPCPeer, log: FeedLog) {
  const processes = new Map<string, ProcessRecord>([[ownProcess.key, { _tag: "Process", ...ownProcess }]])
  /** Which participant shows the calls of a process; several of one process show the same. */
  const reporters = new Map<string, string>([[ownProcess.key, ""]])
  const fibers = new Map<string, Fiber.RuntimeFiber<void>>()
  const scope = yield* Effect.scope

  const pushCalls = (process: string, { calls }: Pick<ReportPage, "calls">) => {
    for (const call of calls) {
      const { durationMillis, kind, name, outcome, startedAt, target } = call
      log.push({ _tag: "Call", process, kind, name, target, startedAt, durationMillis, outcome })
    }
  }
  yield* watchCalls((call) => pushCalls(ownProcess.key, { calls: [call] }))

  const onReport = (runtimeId: string) => (page: ReportPage) =>
    Effect.sync(() => {
      const { host, key, pid, program, startedAt } = page.process
      if (!processes.has(runtimeId)) {
        const record: ProcessRecord = { _tag: "Process", key, runtimeId, pid, host, program, startedAt }
        processes.set(runtimeId, record)
        log.push(record)
      }
      if (!reporters.has(key)) reporters.set(key, runtimeId)
      if (reporters.get(key) === runtimeId) pushCalls(key, page)
    })
  const forget = (runtimeId: string) =>
    Effect.sync(() => {
      processes.delete(runtimeId)
      fibers.delete(runtimeId)
      for (const [key, reporter] of reporters) if (reporter === runtimeId) reporters.delete(key)
    })

  const watchOne = ({ runtimeId }: ConnectedClient) =>
    Effect.suspend(() => {
      if (runtimeId === undefined || fibers.has(runtimeId) || fibers.size >= maxProcesses) return Effect.void
      // One that isn't of this version can't be asked.
      const watching = peer.stream(runtimeId, Report).pipe(
        Stream.runForEach(onReport(runtimeId)),
        Effect.ignore,
        Effect.catchAllDefect(() => Effect.void),
        Effect.ensuring(forget(runtimeId))
      )
      return Effect.map(Effect.forkIn(watching, scope), (fiber) => {
        fibers.set(runtimeId, fiber)
      })
    })

  yield* peer.connections.pipe(
    Stream.runForEach((event) => {
      const { _tag, clientId, runtimeId } = event
      return Effect.clockWith((clock) => {
        log.push({ _tag, clientId, runtimeId, at: clock.unsafeCurrentTimeMillis() })
        return _tag === "Connected" ? watchOne(event) : Effect.void
      })
    }),
    Effect.forkScoped
  )
  yield* Effect.yieldNow()
  yield* Effect.flatMap(peer.clients, (clients) => Effect.forEach(clients, watchOne, { discard: true }))
  return processes
})

/** What the recording holds for its watchers. */
const maxLogBytes = 16 * 1024 * 1024

/** How many participants are asked. */
const maxProcesses = 1000

const maxInterceptors = 500

const shownAfterMillis = 150

/**
 * Limits of recording, so that a watched gateway goes on forwarding under load. A fifth of a second records at most
 * `maxPerTick` exchanges, out of an allowance that grows by `perTick` each time, up to `maxBurst`.
 */
const maxPerTick = 600
const maxBurst = 12_000
const perTick = 300

/** The same for their bodies, in bytes: recording a large body costs as much as forwarding it. */
const maxBodyBurst = 8 * 1024 * 1024
const bodyBytesPerTick = (3 * 1024 * 1024) / 5
