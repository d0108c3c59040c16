import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Election } from "../../../src/election/Election.js"
import * as Elections from "../../../src/election/Election.js"
import { ConnectFailed, ListenFailed, PortInUse, TokenRequired } from "../../../src/IPCError.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import type { Role } from "../../../src/LeaderElection.js"
import * as MemoryElection from "../../support/MemoryElection.js"
import { settled, withLog } from "../../support/pair.js"
import { withWallClock } from "../../support/wallClock.js"

const every100 = Schedule.spaced("100 millis")

const rejected = new ConnectFailed({ url: "place", reason: "Rejected", detail: "it is no gateway" })
const timedOut = new ConnectFailed({ url: "place", reason: "TimedOut", detail: "no answer" })
const closing = new ConnectFailed({ url: "place", reason: "Rejected", status: 503, detail: "The server is closing" })
const forbidden = new ListenFailed({ host: "place", port: 1, code: "EACCES", reason: "permission denied" })
const inUse = new PortInUse({ host: "place", port: 1 })

/** Takes part in a scope of its own, which the test may close before its end. */
const join = Effect.fnUntraced(function* (place: ReturnType<typeof MemoryElection.make>, name: string) {
  const scope = yield* InnerScope.make
  const election = yield* Scope.extend(place.participant(name, every100), scope)
  return { name, election, leave: Scope.close(scope, Exit.void) }
})

const is = <L, F>(election: Election<L, F>, role: Role) =>
  Stream.runHead(Stream.filter(election.roles, (now) => now === role))

describe("An election", () => {
  it.scoped("makes the first one leader and the others followers; when it leaves, one of them leads the rest", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const first = yield* join(place, "first")
      const others = yield* Effect.forEach(["second", "third", "fourth"], (name) => join(place, name))
      assert.deepStrictEqual(yield* Effect.forEach([first, ...others], ({ election }) => election.role), [
        "leader",
        "follower",
        "follower",
        "follower"
      ])
      const before = yield* Effect.forEach(others, ({ election }) => election.settledTerm())

      yield* first.leave
      yield* TestClock.adjust("1 second")

      const after = yield* Effect.forEach(others, ({ election }, i) =>
        election.settledTerm(Option.getOrUndefined(before[i] ?? Option.none()))
      )
      const terms = after.flatMap(Option.toArray)
      const winner = place.holder()
      assert.strictEqual(winner, "second")
      assert.deepStrictEqual(
        terms.map((term) => (term.role === "leader" ? term.leader : term.follower)),
        [winner, winner, winner]
      )
      assert.lengthOf(
        terms.filter((term) => term.role === "leader"),
        1
      )
    })
  )

  it.scoped("is bid for at once by the first few, and by the others one after the other once that is decided", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const leader = yield* join(place, "leader")
      for (let i = 0; i < 40; i++) yield* join(place, `follower-${i}`)
      place.attempts.length = 0
      yield* leader.leave
      yield* TestClock.adjust("2 seconds")
      const times = (what: string) =>
        place.attempts.filter((attempt) => attempt.what === what).map(({ at, name }) => [name, at])
      const turns = Array.from({ length: 40 }, (_, i) => [`follower-${i}`, i < 4 ? 0 : 250 + 10 * (i - 4)])
      assert.deepStrictEqual(times("bid"), turns)
      assert.strictEqual(place.holder(), "follower-0")
      assert.deepStrictEqual(times("follow"), turns.slice(1))
    })
  )

  it.scoped("is bid for at once when the leader goes, then by the schedule", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const leader = yield* join(place, "leader")
      const { election } = yield* join(place, "follower")
      yield* TestClock.adjust("1 minute")
      place.attempts.length = 0
      place.failing.bid = inUse
      place.failing.follow = MemoryElection.refused
      yield* leader.leave
      yield* is(election, "electing")
      yield* TestClock.adjust("350 millis")
      assert.deepStrictEqual(
        place.attempts.map(({ at, what }) => [at - 60_000, what]),
        [0, 100, 200, 300].flatMap((at) => [
          [at, "bid"],
          [at, "follow"]
        ])
      )
      place.failing.bid = undefined
      yield* TestClock.adjust("50 millis")
      yield* is(election, "leader")
    })
  )

  it.scoped("is by default tried for again within 300 ms, and no more than 20 times in the first second", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const scope = yield* Scope.make()
      yield* Scope.extend(place.participant("leader"), scope)
      yield* place.participant("follower")
      place.attempts.length = 0
      place.failing.bid = inUse
      place.failing.follow = MemoryElection.refused
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("10 seconds")
      const bids = place.attempts.filter(({ what }) => what === "bid").map(({ at }) => at)
      assert.isAbove(bids.length, 30)
      assert.isAtMost(bids.filter((at) => at < 1000).length, 20)
      assert.isAtMost(Math.max(...bids.slice(1).map((at, i) => at - (bids[i] ?? 0))), 300)
    })
  )

  it.scoped("fails to be joined where the place's holder can't be followed", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      place.failing.bid = inUse
      place.failing.follow = rejected
      assert.strictEqual(yield* Effect.flip(place.participant("late")), rejected)
      assert.strictEqual(place.attempts.length, 2)
    })
  )

  it.scoped("is joined by one whose first attempts to follow time out, for want of processor time", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      yield* join(place, "leader")
      place.attempts.length = 0
      place.failing.follow = timedOut
      const joining = yield* Effect.fork(join(place, "late"))
      yield* settled
      delete place.failing.follow
      yield* TestClock.adjust("100 millis")
      const { election } = yield* Fiber.join(joining)
      assert.strictEqual(yield* election.role, "follower")
    })
  )

  it.scoped("fails to be joined where the place's holder three times doesn't answer", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      place.failing.bid = inUse
      place.failing.follow = timedOut
      const joining = yield* Effect.fork(Effect.flip(place.participant("late", every100)))
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* Fiber.join(joining), timedOut)
      assert.lengthOf(
        place.attempts.filter(({ what }) => what === "follow"),
        3
      )
    })
  )

  for (const error of [forbidden, new TokenRequired({ host: "0.0.0.0" })]) {
    it.scoped(`fails to be joined where the place can't be taken: ${error._tag}`, () =>
      Effect.gen(function* () {
        const place = MemoryElection.make()
        place.failing.bid = error
        assert.strictEqual(yield* Effect.flip(place.participant("late")), error)
      })
    )
  }

  it.scoped("waits for a leader that is going, and gives up after 10 seconds of a holder that refuses", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      place.failing.bid = inUse
      place.failing.follow = closing
      const joining = yield* Effect.fork(Effect.flip(place.participant("late", every100)))
      yield* TestClock.adjust("9 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(joining)))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(joining), closing)
    })
  )

  it.scoped("goes on whatever happens once there was a first role, and says so once", () =>
    withLog((lines) =>
      Effect.gen(function* () {
        const place = MemoryElection.make()
        const leader = yield* join(place, "leader")
        const { election } = yield* join(place, "follower")
        place.failing.bid = inUse
        place.failing.follow = rejected
        yield* leader.leave
        yield* TestClock.adjust("1 second")
        place.failing.bid = forbidden
        yield* TestClock.adjust("1 second")
        place.failing.bid = undefined
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* election.role, "leader")
        assert.deepStrictEqual(lines, [
          `WARN No leader is reachable and the port can't be bound; retrying: ${rejected.message}`
        ])
      })
    )
  )

  it.scoped("says so once, with the reason, when there is no leader for five seconds", () =>
    withLog((lines) =>
      Effect.gen(function* () {
        const place = MemoryElection.make()
        const leader = yield* join(place, "leader")
        const { election } = yield* join(place, "follower")
        place.failing.bid = inUse
        place.failing.follow = MemoryElection.refused
        yield* leader.leave
        yield* TestClock.adjust("4900 millis")
        assert.deepStrictEqual(lines, [])
        yield* TestClock.adjust("1 minute")
        place.failing.bid = undefined
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* election.role, "leader")
        assert.deepStrictEqual(lines, [
          `WARN No leader is reachable and the port can't be bound; retrying: ${MemoryElection.refused.message}`
        ])
      })
    )
  )

  it.scoped("says so at once, and once, with the reason, when a standalone gateway goes", () =>
    withLog((lines) =>
      Effect.gen(function* () {
        const place = MemoryElection.make()
        const scope = yield* Scope.make()
        yield* Scope.extend(place.standalone, scope)
        yield* join(place, "follower")
        yield* Scope.close(scope, Exit.void)
        const line = `WARN The standalone gateway can't be reached; retrying until it is back: ${MemoryElection.refused.message}`
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(lines, [line])
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(lines, [line])
      })
    )
  )

  it.scoped("ends with a schedule that ends: the roles end, nothing waits for a term, and the log says why", () =>
    withLog((lines) =>
      Effect.gen(function* () {
        const place = MemoryElection.make()
        const leader = yield* join(place, "leader")
        const election = yield* place.participant("follower", Schedule.intersect(every100, Schedule.recurs(2)))
        const roles = yield* Effect.fork(Stream.runCollect(election.roles))
        yield* Effect.yieldNow()
        place.failing.bid = inUse
        yield* leader.leave
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(Array.from(yield* Fiber.join(roles)), ["follower", "electing"])
        assert.deepStrictEqual(yield* election.settledTerm(), Option.none())
        assert.deepStrictEqual(lines, ["ERROR This participant has left the election (Fail)"])
      })
    )
  )

  it.scoped("tells the role now and each later one, and ends with the participant", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const leader = yield* join(place, "leader")
      const follower = yield* join(place, "follower")
      const roles = yield* Queue.unbounded<Role>()
      const watching = yield* Effect.fork(Stream.runForEach(follower.election.roles, (role) => roles.offer(role)))
      assert.strictEqual(yield* roles.take, "follower")
      yield* leader.leave
      assert.strictEqual(yield* roles.take, "electing")
      assert.strictEqual(yield* roles.take, "leader")
      const waiting = yield* Effect.fork(is(follower.election, "follower"))
      yield* Effect.yieldNow()
      yield* follower.leave
      yield* Fiber.join(watching)
      assert.deepStrictEqual(yield* Fiber.join(waiting), Option.none())
      assert.strictEqual(yield* roles.take, "electing")
      assert.strictEqual(yield* roles.size, 0)
    })
  )

  it.scoped("is joined again, after a second, by one whose name another has taken", () =>
    withLog((lines) =>
      Effect.gen(function* () {
        const place = MemoryElection.make()
        yield* join(place, "leader")
        const { election } = yield* join(place, "follower")
        place.attempts.length = 0
        yield* place.cut("follower", "replaced")
        yield* TestClock.adjust("999 millis")
        assert.deepStrictEqual(place.attempts, [])
        assert.strictEqual(yield* election.role, "electing")
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* election.role, "follower")
        assert.lengthOf(lines, 1)
        assert.match(lines[0] ?? "", /^WARN Another participant has connected with this one's runtimeId/)
      })
    )
  )
})

describe("A standalone gateway", () => {
  it.scoped("is stepped down for: the leader gives up the place, and no participant bids for three seconds", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const leader = yield* join(place, "leader")
      const follower = yield* join(place, "follower")
      place.attempts.length = 0
      yield* place.requestStepDown
      yield* TestClock.adjust("2900 millis")
      assert.strictEqual(place.holder(), undefined)
      assert.isAbove(place.attempts.length, 10)
      assert.deepStrictEqual(
        place.attempts.filter(({ what }) => what === "bid"),
        []
      )
      yield* place.standalone
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* leader.election.role, "follower")
      assert.strictEqual(yield* follower.election.role, "follower")
    })
  )

  it.scoped("is followed at once by the one that stepped down for it, though that one still drains", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const leader = yield* join(place, "leader")
      const drained = yield* Effect.acquireRelease(Deferred.make<void>(), (waiting) =>
        Deferred.succeed(waiting, undefined)
      )
      yield* place.drain(Deferred.await(drained))
      yield* place.requestStepDown
      yield* is(leader.election, "electing")
      yield* place.standalone
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* leader.election.role, "follower")
      // Leaving waits for what is in flight.
      const leaving = yield* Effect.fork(leader.leave)
      yield* settled
      assert.deepStrictEqual(yield* Fiber.poll(leaving), Option.none())
      yield* Deferred.succeed(drained, undefined)
      yield* Fiber.join(leaving)
    })
  )

  it.scoped("that never comes leaves the place to the others again", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const leader = yield* join(place, "leader")
      const follower = yield* join(place, "follower")
      yield* place.requestStepDown
      yield* TestClock.adjust("3100 millis")
      assert.sameMembers([yield* leader.election.role, yield* follower.election.role], ["leader", "follower"])
    })
  )

  it.scoped("is waited for by monotonic time: a wall clock that is set back doesn't prolong it", () =>
    withWallClock((setBack) =>
      Effect.gen(function* () {
        const place = MemoryElection.make()
        const leader = yield* join(place, "leader")
        yield* place.requestStepDown
        yield* is(leader.election, "electing")
        setBack(3_600_000)
        yield* TestClock.adjust("3100 millis")
        assert.strictEqual(yield* leader.election.role, "leader")
      })
    )
  )

  it.scoped("that was seen is never bid against, and is followed again when it is back", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const scope = yield* Scope.make()
      yield* Scope.extend(place.standalone, scope)
      const { election } = yield* join(place, "follower")
      place.attempts.length = 0
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("5 seconds")
      assert.isAbove(place.attempts.length, 40)
      assert.deepStrictEqual(
        place.attempts.filter(({ what }) => what === "bid"),
        []
      )
      yield* place.standalone
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* election.role, "follower")
    })
  )

  it.scoped("by itself leads until it leaves; it releases what it holds before it ends what runs meanwhile", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const log = (event: string) => Effect.sync(() => void events.push(event))
      const scope = yield* Scope.make()
      const election = yield* Scope.extend(Elections.uncontested({ leader: "bin", release: log("released") }), scope)
      assert.strictEqual(yield* election.role, "leader")
      assert.strictEqual(yield* election.whileLeader(Effect.succeed(7)), 7)
      const roles = yield* Effect.fork(Stream.runCollect(election.roles))
      yield* Effect.fork(election.whileLeader(Effect.onInterrupt(Effect.never, () => log("ended"))))
      yield* settled
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(events, ["released", "ended"])
      assert.deepStrictEqual(Array.from(yield* Fiber.join(roles)), ["leader", "electing"])
      assert.deepStrictEqual(yield* election.settledTerm(), Option.none())
    })
  )
})

describe("whileLeader", () => {
  /** Says when it starts and when it ends. */
  const job = Effect.gen(function* () {
    const events = yield* Queue.unbounded<string>()
    const effect = Effect.acquireUseRelease(
      events.offer("started"),
      () => Effect.never,
      () => events.offer("ended")
    )
    return { events, effect }
  })

  it.scoped("runs while this process leads: not before, not after, and anew when it leads again", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const leader = yield* join(place, "leader")
      const { election } = yield* join(place, "follower")
      const { effect, events } = yield* job
      yield* Effect.fork(election.whileLeader(effect))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* events.size, 0)
      yield* leader.leave
      assert.strictEqual(yield* events.take, "started")
      yield* place.requestStepDown
      assert.strictEqual(yield* events.take, "ended")
      yield* TestClock.adjust("2900 millis")
      assert.strictEqual(yield* events.size, 0)
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* events.take, "started")
    })
  )

  it.scoped("ends with the effect: its value, its failure, its interruption", () =>
    Effect.gen(function* () {
      const { election } = yield* join(MemoryElection.make(), "leader")
      assert.strictEqual(yield* election.whileLeader(Effect.succeed("done")), "done")
      assert.strictEqual(yield* Effect.flip(election.whileLeader(Effect.fail("broken"))), "broken")
      const { effect, events } = yield* job
      const running = yield* Effect.fork(election.whileLeader(effect))
      assert.strictEqual(yield* events.take, "started")
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* events.take, "ended")
      assert.strictEqual(yield* election.role, "leader")
    })
  )

  it.scoped(
    "ends when the leader leaves, which has released the place by then, and before what is in flight ends",
    () =>
      Effect.gen(function* () {
        const place = MemoryElection.make()
        const leader = yield* join(place, "leader")
        const follower = yield* join(place, "follower")
        const events: Array<string> = []
        const holds = (what: string) =>
          events.push(`${what}, and the leader ${place.holder() === "leader" ? "holds" : "has released"} the place`)
        const started = yield* Deferred.make<void>()
        const draining = yield* Deferred.make<void>()
        const drained = yield* Effect.acquireRelease(Deferred.make<void>(), (waiting) =>
          Deferred.succeed(waiting, undefined)
        )
        yield* place.drain(
          Effect.suspend(() => {
            holds("drains")
            return Effect.zipRight(Deferred.succeed(draining, undefined), Deferred.await(drained))
          })
        )
        yield* Effect.fork(
          leader.election.whileLeader(
            Effect.onInterrupt(Effect.zipRight(Deferred.succeed(started, undefined), Effect.never), () =>
              Effect.sync(() => holds("ended"))
            )
          )
        )
        yield* Deferred.await(started)
        const leaving = yield* Effect.fork(leader.leave)
        yield* Deferred.await(draining)
        assert.deepStrictEqual(events, [
          "ended, and the leader has released the place",
          "drains, and the leader has released the place"
        ])
        yield* is(follower.election, "leader")
        assert.strictEqual(yield* leader.election.role, "electing")
        assert.deepStrictEqual(yield* Fiber.poll(leaving), Option.none())
        yield* Deferred.succeed(drained, undefined)
        yield* Fiber.join(leaving)
      })
  )

  it.scoped("that doesn't end delays the leader that leaves for a second and no longer", () =>
    Effect.gen(function* () {
      const place = MemoryElection.make()
      const leader = yield* join(place, "leader")
      const started = yield* Deferred.make<void>()
      const mayEnd = yield* Deferred.make<void>()
      yield* Effect.fork(
        leader.election.whileLeader(
          Effect.uninterruptible(Effect.zipRight(Deferred.succeed(started, undefined), Deferred.await(mayEnd)))
        )
      )
      yield* Deferred.await(started)
      const leaving = yield* Effect.fork(leader.leave)
      yield* settled
      assert.strictEqual(place.holder(), undefined)
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* Fiber.poll(leaving), Option.none())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(leaving)
      yield* Deferred.succeed(mayEnd, undefined)
    })
  )
})

describe("Leaving the election", () => {
  const leftBy = Effect.fnUntraced(function* (
    prepare: (place: ReturnType<typeof MemoryElection.make>) => Effect.Effect<unknown, unknown, Scope.Scope>,
    then: (place: ReturnType<typeof MemoryElection.make>) => Effect.Effect<unknown> = () => Effect.void
  ) {
    const place = MemoryElection.make()
    const others = yield* Scope.make()
    yield* Scope.extend(prepare(place), others)
    const openBefore = place.open()
    const joining = yield* Effect.fork(Effect.scoped(Effect.zipRight(place.participant("one", every100), Effect.never)))
    yield* settled
    yield* then(place)
    yield* settled
    const within = place.open()
    yield* Fiber.interrupt(joining)
    const left = { open: place.open() - openBefore, holds: place.holder() === "one" }
    const { length } = place.attempts
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(left, { open: 0, holds: false })
    assert.strictEqual(place.attempts.length, length, "it went on trying")
    yield* Scope.close(others, Exit.void)
    return within - openBefore
  })

  it.scoped("leaves nothing behind: in the middle of a bid", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* leftBy((place) => place.slowDown("bid")), 1)
    })
  )
  it.scoped("leaves nothing behind: while leading", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* leftBy(() => Effect.void), 1)
    })
  )
  it.scoped("leaves nothing behind: while connecting to the leader", () =>
    Effect.gen(function* () {
      const connecting = leftBy((place) => Effect.zipRight(place.standalone, place.slowDown("follow")))
      assert.strictEqual(yield* connecting, 1)
    })
  )
  it.scoped("leaves nothing behind: while following", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* leftBy((place) => place.standalone), 1)
    })
  )
  it.scoped("leaves nothing behind: while waiting for the next attempt", () =>
    Effect.gen(function* () {
      const waiting = leftBy((place) =>
        Effect.sync(() => {
          place.failing.bid = inUse
          place.failing.follow = MemoryElection.refused
        })
      )
      assert.strictEqual(yield* waiting, 0)
    })
  )
  it.scoped("leaves nothing behind: after a step-down", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* leftBy(
          () => Effect.void,
          (place) => place.requestStepDown
        ),
        0
      )
    })
  )
  it.scoped("leaves nothing behind: away because another took its name", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* leftBy(
          (place) => place.standalone,
          (place) => place.cut("one", "replaced")
        ),
        0
      )
    })
  )
})
