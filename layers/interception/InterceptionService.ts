/**
 * Interception on a gateway: what `NodeHttpInterception` provides.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Discovery } from "../../src/Discovery.js"
import { HttpGateway } from "../../src/HttpGateway.js"
import type { AwaitRequestOptions, HttpInterception } from "../../src/HttpInterception.js"
import type { UnverifiedInterception } from "../../src/InterceptionError.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { limit } from "../../src/internal/WholeNumber.js"
import type { RequestMatcher } from "../../src/RequestMatcher.js"
import { fromService } from "../http/NodeHttpGateway.js"
import { pathOf } from "../http/RequestTarget.js"
import * as ProcessMemory from "../ProcessMemory.js"
import * as OwnOutput from "../process/OwnOutput.js"
import * as ApiRequests from "./ApiRequests.js"
import * as CallRecording from "./CallRecording.js"
import { Forwarding } from "./Forwarding.js"
import * as HarRecorder from "./HarRecorder.js"
import * as HarReplay from "./HarReplay.js"
import * as Installation from "./Installation.js"
import * as Installers from "./Installers.js"
import { type Group, Interceptors, verify } from "./Interceptors.js"
import { type Entry, Journal, type View } from "./Journal.js"
import { RecordingBudget } from "./RecordingBudget.js"
import { type SessionTrace, SessionTraces } from "./SessionTrace.js"
import * as Validation from "./Validation.js"

/**
 * How much interceptors record, and what mocks have where they set nothing else.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpInterceptionOptions {
  /** How much of each body is recorded, in bytes; a body matcher sees no larger body. Default 1 MiB. */
  readonly maxRecordedBytes?: number | undefined
  /**
   * How much of all bodies and messages is recorded together, in bytes, by the interceptors; and as much again for `calls`.
   * Beyond it, the oldest are dropped: they are empty and `truncated` then. Default 64 MiB.
   */
  readonly maxTotalRecordedBytes?: number | undefined
  /** The `cors` of every mock that doesn't set it. Default false. */
  readonly cors?: boolean | undefined
}

/**
 * Intercepts until the scope closes.
 *
 * @internal
 */
export const make: (
  options: HttpInterceptionOptions
) => Effect.Effect<HttpInterception.Service, never, Scope.Scope | IPCServer | HttpGateway | Discovery> =
  Effect.fnUntraced(function* (options: HttpInterceptionOptions) {
    const gateway = yield* Effect.flatMap(HttpGateway, fromService)
    const discovery = yield* Discovery
    // The gateway's clock, not the one of the test that installs an interceptor: requests arrive over sockets.
    const clock = yield* Effect.clock
    const maxBytes = limit(options.maxRecordedBytes, 1024 * 1024)
    const maxTotalBytes = limit(options.maxTotalRecordedBytes, 64 * 1024 * 1024)
    const recorder = CallRecording.makeRecorder(maxBytes, new RecordingBudget(maxTotalBytes), clock)
    const { url } = yield* IPCServer
    const apis = ApiRequests.make(discovery)
    const forwarding = new Forwarding(url, apis)
    const sessions = new SessionTraces()
    const interceptors = new Interceptors(sessions)
    yield* gateway.onUnmatched(interceptors.onUnmatched)
    const journal = new Journal(apis)
    yield* journal.record(
      gateway,
      // A budget of its own: interceptors keep what they have recorded, however much else reaches the gateway.
      CallRecording.makeRecorder(maxBytes, new RecordingBudget(maxTotalBytes), clock),
      (request) => forwarding.isForwarded(request)
    )
    const viewFromNow = (session: SessionTrace | undefined): View => ({
      since: journal.next,
      sees: ({ head }) => session?.owns(head.headers) ?? true,
      misses: ({ head }) => session !== undefined && !sessions.isOwned(head.headers),
      hint:
        session === undefined
          ? `Does the code under test call ${url}?`
          : `Does the test call ${url} with the session's headers, and each service pass traceparent on?`
    })
    const verified = (group: Group) =>
      verify(group, ({ matching }) => journal.nearest(group.view, matching, wentPast(group)))
    /** Leaves out requests that an interceptor answered, and those answered 404, which the report lists anyway. */
    const wentPast =
      ({ unmatched }: Group) =>
      ({ head: { method, rawHeaders, url } }: Entry): boolean =>
        !interceptors.isIntercepted(rawHeaders) &&
        !unmatched.some(({ request }) => request.method === method && request.path === pathOf(url as string))
    /** A group that is verified when the scope closes. A test that has failed keeps its failure, and the report is printed. */
    const verifiedGroup = (groupOptions: Parameters<typeof interceptors.group>[0]) =>
      Effect.tap(interceptors.group(groupOptions), (group) =>
        Effect.addFinalizer((exit) =>
          Exit.isSuccess(exit) ? Effect.orDie(verified(group)) : Effect.catchAll(verified(group), print)
        )
      )
    const installers = Installers.make({
      gateway,
      install: Installation.make(gateway, interceptors, apis, forwarding, maxBytes),
      recorder,
      forwarding,
      memory: yield* ProcessMemory.current,
      clock,
      cors: options.cors ?? false,
      arrived: (group, matcher) => Effect.orElseSucceed(journal.told(group.view, matcher), () => "")
    })

    const serviceOf = (group: Group): HttpInterception.Service => {
      const service: HttpInterception.Service = {
        ...installers(group),
        calls: (match?: RequestMatcher) => journal.calls(group.view, match),
        awaitRequest: (match: RequestMatcher, awaitOptions: AwaitRequestOptions = {}) =>
          journal.awaitRequest(group.view, match, awaitOptions),
        record: (file, recordOptions = {}) =>
          HarRecorder.record(journal, { ...group.view, since: journal.next }, url, file, recordOptions),
        replay: (file, replayOptions = {}) =>
          Effect.gen(function* () {
            const issue = ArgumentIssue.fileIssue("the file", file) ?? HarReplay.optionsIssue(replayOptions)
            yield* Validation.refuse(issue, "replay")
            const path = HarRecorder.pathOf(file)
            const handler = yield* HarReplay.handlerOf(path, replayOptions)
            return yield* service.mock<RequestMatcher, never>(replayOptions.match ?? {}, handler, {
              name: `replay of ${path}`
            })
          }),
        unmatched: Effect.sync(() => group.unmatched.map(({ request }) => request)),
        verify: verified(group),
        strict: Effect.suspend(() => {
          const { session } = group
          return Effect.map(verifiedGroup({ keepsRemoved: true, session, view: viewFromNow(session) }), serviceOf)
        }),
        session: (sessionOptions = {}) =>
          Effect.gen(function* () {
            yield* Validation.checkSession(sessionOptions)
            const session = yield* Effect.acquireRelease(
              Effect.sync(() => sessions.open()),
              (opened) => Effect.sync(() => sessions.close(opened))
            )
            const make = sessionOptions.strict === false ? interceptors.group : verifiedGroup
            const service = serviceOf(yield* make({ keepsRemoved: true, session, view: viewFromNow(session) }))
            return { ...service, traceId: session.traceId, headers: session.headers, run: session.run }
          })
      }
      return service
    }

    return serviceOf(
      yield* interceptors.group({ keepsRemoved: false, session: undefined, view: viewFromNow(undefined) })
    )
  })

/** Printed in addition to the failure that the runner shows, since what the interceptors saw often explains it. */
const print = ({ message }: UnverifiedInterception): Effect.Effect<void> =>
  Effect.sync(() => OwnOutput.write(process.stderr, `The test failed; its interceptors report:\n${message}\n`))
