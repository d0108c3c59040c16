/**
 * What a process tells the inspectors that watch the gateway to which it is connected: what it is, and the requests and streams that it
 * makes. While none watches, it sends nothing.
 *
 * @internal
 */
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { IPCClient } from "../../src/IPCClient.js"
import { type Call, CurrentCallLog } from "../../src/internal/CallLog.js"
import { EventLog } from "./EventLog.js"
import { isOwn, Report, type ReportPage } from "./InspectorProtocol.js"
import { pages } from "./Pages.js"

/** This process's own description. */
export const ownProcess: ReportPage["process"] = {
  key: randomUUID(),
  pid: process.pid,
  host: hostname(),
  program: basename(process.argv[1] ?? process.title),
  startedAt: Math.round(Date.now() - process.uptime() * 1000)
}

/** Shows the process's calls until the scope closes. */
export const watchCalls = (onCall: (call: Call) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(CurrentCallLog, (log) =>
    log.watch((call) => {
      if (!isOwn(call.name)) onCall(call)
    })
  )

/** Answers over this connection and all that follow it, until the scope closes. */
export const install = (client: IPCClient.Service): Effect.Effect<void, never, Scope.Scope> =>
  client.handleStream(Report, () => report)

const report: Stream.Stream<ReportPage> = Stream.unwrapScoped(
  Effect.gen(function* () {
    const calls = new EventLog<Call>(maxCalls, Number.POSITIVE_INFINITY)
    yield* watchCalls((call) => calls.push(call, 1))
    const described: ReportPage = { process: ownProcess, calls: [], missed: 0 }
    return Stream.concat(
      Stream.succeed(described),
      Stream.map(
        pages(calls, calls.start, callsAtOnce),
        ({ items, missed }): ReportPage => ({
          process: ownProcess,
          calls: items,
          missed
        })
      )
    )
  })
)

/** How many calls wait to be sent. */
const maxCalls = 4096

const callsAtOnce = 512
