/**
 * Three services of one host on NATS, each with a participant of its own: `nats-host <host> <servers> <advertise>`. They ask
 * each other's services all the time, and tell each gap without an answer, what they see of each other, and who leads.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as NatsDiscovery from "../../../layers/nats/NatsDiscovery.js"
import { Discovery } from "../../../src/Discovery.js"
import { IPCServer } from "../../../src/IPCServer.js"
import { LeaderElection } from "../../../src/LeaderElection.js"
import * as ServiceClient from "../../../src/ServiceClient.js"
import * as ServiceServer from "../../../src/ServiceServer.js"

const [host = "", servers = "", advertise = ""] = process.argv.slice(2)

const Who = IPCServer.defineRequest<void, string>("who")

const say = (...words: ReadonlyArray<unknown>) => Effect.sync(() => process.stdout.write(`${JSON.stringify(words)}\n`))

const services = ["one", "two", "three"]

const participant = (service: string) =>
  Effect.gen(function* () {
    const runtimeId = `${host}-${service}`
    const context = yield* NatsDiscovery.make({ servers, runtimeId, advertise, replicas: 3, lease: "3 seconds" }).pipe(
      // Until the cluster has a leader.
      Effect.retry(Schedule.spaced("500 millis"))
    )
    const discovery = Context.get(context, Discovery)
    const { roles } = Context.get(context, LeaderElection)
    yield* Effect.forkScoped(Stream.runForEach(roles, (role) => say("role", runtimeId, role)))
    yield* ServiceServer.make(service, (server) => server.handle(Who, () => Effect.succeed(runtimeId))).pipe(
      Effect.provideService(Discovery, discovery),
      Effect.retry(Schedule.spaced("500 millis"))
    )
    yield* say("serving", runtimeId)
    const look = Effect.flatMap(discovery.routes, (routes) => say("routes", runtimeId, routes.length))
    yield* Effect.forkScoped(Effect.repeat(Effect.ignore(look), Schedule.spaced("250 millis")))
    for (const asked of services) {
      const client = yield* ServiceClient.make(asked).pipe(Effect.provideService(Discovery, discovery))
      const ask = Effect.matchEffect(client.request(Who, undefined, { timeout: "2 seconds", idempotent: true }), {
        onSuccess: () => say("answer", runtimeId, asked),
        onFailure: () => Effect.void
      })
      yield* Effect.forkScoped(Effect.repeat(ask, Schedule.spaced("100 millis")))
    }
  })

process.stdin.resume().on("close", () => process.exit(0))
Effect.runFork(
  Effect.forEach(services, participant, { concurrency: "unbounded" }).pipe(
    Effect.zipRight(Effect.never),
    Effect.scoped,
    Effect.provide(Logger.remove(Logger.defaultLogger))
  )
)
