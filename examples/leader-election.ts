import { Console, Effect, ManagedRuntime, Schedule } from "effect"
import { LeaderElection } from "effect-ipc"
import { PortElection } from "effect-ipc/node"

// The port is IPC_PORT, or 9000.
const AtTheKnownPort = PortElection.layerConfig()

// #region sweep
/** Every process runs it; it sweeps only in the one that leads, and is interrupted where that one ceases to. */
const sweep = (name: string) =>
  Effect.gen(function* () {
    const election = yield* LeaderElection
    yield* Console.log(`${name} is ${yield* election.role}`)
    yield* election.whileLeader(Console.log(`${name} sweeps`).pipe(Effect.repeat(twice)))
  })
// #endregion

const twice = Schedule.spaced("10 millis").pipe(Schedule.intersect(Schedule.recurs(1)))

// Each runtime stands for a process.
const first = ManagedRuntime.make(AtTheKnownPort)
const second = ManagedRuntime.make(AtTheKnownPort)
await first.runtime() // comes first, and leads
await second.runtime() // follows

const swept = second.runPromise(sweep("second")) // waits
await first.runPromise(sweep("first"))
await first.dispose() // the leader goes
await swept
await second.dispose()
