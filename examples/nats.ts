import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { Console, Effect, Layer, Option, Redacted, Schedule } from "effect"
import { Discovery, LeaderElection, type NatsFailed } from "effect-ipc"
import { NatsDiscovery } from "effect-ipc/nats"

// #region program
const program = Effect.gen(function* () {
  const discovery = yield* Discovery
  const election = yield* LeaderElection
  yield* discovery.register({ api: "users", baseUrl: "http://10.0.0.7:4001", pathPrefix: "/users" })
  yield* Console.log(`users are at ${yield* discovery.discover("users")}`)
  // The store refuses a token that is lower than one that it has seen.
  yield* election.whileLeader(
    Effect.flatMap(election.term, (token) => writeToStore({ token: Option.getOrThrow(token), value: "swept" }))
  )
})
// #endregion

// #region layer
/** NATS may not run yet, and a cluster elects for some seconds after a start: what a failure says of it is worth another try. */
const Live = (servers: string) =>
  NatsDiscovery.layer({
    servers,
    namespace: "shop",
    lease: "1 second",
    credentials: { user: "shop", password: Redacted.make("a password") }
  }).pipe(
    Layer.retry(
      Schedule.spaced("100 millis").pipe(
        Schedule.intersect(Schedule.recurs(50)),
        Schedule.whileInput(({ reason }: NatsFailed) => reason === "Unreachable" || reason === "Unavailable")
      )
    )
  )
// #endregion

let highest = 0
const writeToStore = ({ token, value }: { readonly token: number; readonly value: string }) =>
  token < highest
    ? Effect.dieMessage("a write of an older term")
    : Effect.zipRight(
        Effect.sync(() => {
          highest = token
        }),
        Console.log(`${value} by a term's leader`)
      )

/** A NATS server for this example alone. */
const natsServer = Effect.gen(function* () {
  const port = yield* Effect.async<number>((resume) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
    })
  })
  const directory = mkdtempSync(`${tmpdir()}/effect-ipc-example-`)
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        "nats-server",
        ["-js", "-sd", directory, "-a", "127.0.0.1", "-p", String(port), "--user", "shop", "--pass", "a password"],
        { stdio: "ignore" }
      )
    ),
    (server) =>
      Effect.async<void>((resume) => {
        server.once("exit", () => {
          rmSync(directory, { recursive: true, force: true })
          resume(Effect.void)
        })
        server.kill()
      })
  )
  return `nats://127.0.0.1:${port}`
})

const main = Effect.gen(function* () {
  const servers = yield* natsServer
  yield* program.pipe(Effect.scoped, Effect.provide(Live(servers)))
})

await Effect.runPromise(Effect.scoped(main))
