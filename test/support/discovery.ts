/**
 * Participants, services and requests on real sockets, for the tests of discovery.
 */
import * as http from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type WebSocket, WebSocketServer } from "ws"
import * as LocalDiscovery from "../../layers/LocalDiscovery.js"
import { Discovery } from "../../src/Discovery.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import { LeaderElection, type Role } from "../../src/LeaderElection.js"
import * as Child from "./Child.js"
import { listening } from "./listening.js"
import * as Port from "./Port.js"
import { clockWithoutWaiting } from "./processor.js"

export const freePort = Effect.promise(Port.free)

const inScope = <A, E>(make: Effect.Effect<Context.Context<Discovery | LeaderElection | A>, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* InnerScope.make
    const services = yield* Scope.extend(make, scope)
    return {
      discovery: Context.get(services, Discovery),
      election: Context.get(services, LeaderElection),
      leave: Scope.close(scope, Exit.void)
    }
  })

export const participant = (options: LocalDiscovery.LocalDiscoveryOptions) => inScope(LocalDiscovery.make(options))

export const standalone = (options: LocalDiscovery.LocalDiscoveryOptions) =>
  inScope(LocalDiscovery.makeStandalone(options))

/** Waits until it has the role. */
export const becomes = (election: LeaderElection.Service, role: Role) =>
  Stream.runHead(Stream.filter(election.roles, (now) => now === role))

/** Asks until the answer is so. */
export const until = <A>(effect: Effect.Effect<A>, is: (value: A) => boolean) =>
  Effect.repeat(effect, { until: is, schedule: Schedule.spaced("10 millis") })

export interface ProcessOptions {
  readonly runtimeId: string
  readonly apis?: ReadonlyArray<string>
  readonly baseUrl?: string
  readonly standalone?: boolean
}

/** A process that is ready to take part. */
export const process_ = Effect.tap(Child.start("discovery-participant.ts"), (child) => child.line("ready"))

/** A process that takes part. */
export const participantProcess = (port: number, options: ProcessOptions) =>
  Effect.tap(process_, (child) => child.ask(`join ${port} ${JSON.stringify(options)}`, "joined"))

export const signal = (child: Child.Child, name: NodeJS.Signals) => Effect.sync(() => process.kill(child.pid, name))

/** A service that answers its name and the path, by HTTP and WebSocket. */
export const service = (name: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.suspend(() => {
    const server = http.createServer((request, response) => response.end(`${name} ${request.url}`))
    new WebSocketServer({ server }).on("connection", (webSocket: WebSocket, request: http.IncomingMessage) =>
      webSocket.send(`${name} ${request.url}`)
    )
    return listening(server)
  })

/** `200 body`, or the code of the error. */
export const get = (port: number, path: string): Effect.Effect<string> =>
  Effect.async((resume) => {
    const request = http.get({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let body = ""
      response.on("data", (chunk) => {
        body += chunk
      })
      response.on("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(error.code ?? error.message)))
      response.on("end", () => resume(Effect.succeed(`${response.statusCode} ${body}`)))
    })
    request.on("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(error.code ?? error.message)))
    return Effect.sync(() => request.destroy())
  })

/** The clock of {@link load}, in milliseconds: without what this process waits for a processor. */
export const now = clockWithoutWaiting()

export interface Outcome {
  readonly startedAt: number
  readonly millis: number
  readonly said: string
}

/** 200 GETs a second until interrupted; each outcome as it comes. */
export const load = (
  port: number,
  path: string,
  outcomes: Array<Outcome>
): Effect.Effect<never, never, Scope.Scope> => {
  const one = Effect.gen(function* () {
    const startedAt = now()
    const said = yield* get(port, path)
    outcomes.push({ startedAt, millis: now() - startedAt, said })
  })
  return Effect.zipRight(Effect.repeat(Effect.forkScoped(one), Schedule.fixed("5 millis")), Effect.never)
}
