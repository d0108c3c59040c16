import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CloseCode, IPCServer } from "effect-ipc"
import { untypedStream } from "../../src/IPCStream.js"
import * as Execution from "../../src/internal/Execution.js"
import { makeEnds, nothing, settled } from "../support/pair.js"

const Echo = IPCServer.defineRequest<unknown, unknown>("echo")
const Checked = IPCServer.defineRequest("checked", { payload: Schema.Unknown, success: Schema.Unknown })
/** Is answered when a step says so. */
const Wait = IPCServer.defineRequest<unknown, unknown>("wait")
const Items = IPCServer.defineStream<unknown, unknown>("items")
const Relay = IPCServer.defineStream<unknown, unknown, unknown>("relay", { input: true })

/** When a call runs code of the program: a getter of what it sends, a handler, a consumer, or what observes its end. */
type Moment = "encoded" | "handled" | "answered" | "received" | "ended"

interface Step {
  readonly what: (typeof steps)[number]["what"]
  readonly at: "near" | "far"
  readonly inFiber: boolean
  /** Whether a handler that waits can be interrupted. */
  readonly interruptible: boolean
  /** Of the text in what is sent. */
  readonly length: number
  /** Which of those that run or wait is interrupted or answered. */
  readonly which: number
  readonly throwsWhen: Moment | undefined
  readonly within: ReadonlyArray<{ readonly when: Moment; readonly step: Step }>
}

const endings = [
  { weight: 1, what: "close" },
  { weight: 1, what: "terminate" }
] as const

// What ends much is rare, so that much goes on before.
const steps = [
  { weight: 30, what: "echo" },
  { weight: 15, what: "checked" },
  { weight: 25, what: "wait" },
  { weight: 15, what: "notify" },
  { weight: 15, what: "items" },
  { weight: 15, what: "relay" },
  { weight: 20, what: "interrupt" },
  { weight: 15, what: "answer" },
  // An end that reads nothing, for which frames wait.
  { weight: 6, what: "freeze" },
  { weight: 6, what: "thaw" },
  { weight: 3, what: "unregister" },
  ...endings
] as const

const stepOf = (depth: number, choices: typeof steps | typeof endings = steps): FastCheck.Arbitrary<Step> =>
  FastCheck.record({
    what: FastCheck.oneof(...choices.map(({ weight, what }) => ({ weight, arbitrary: FastCheck.constant(what) }))),
    at: FastCheck.constantFrom("near", "far"),
    inFiber: FastCheck.boolean(),
    interruptible: FastCheck.boolean(),
    length: FastCheck.constantFrom(0, 200, 400),
    which: FastCheck.nat(100),
    throwsWhen: FastCheck.oneof(
      { weight: 5, arbitrary: FastCheck.constant(undefined) },
      { weight: 1, arbitrary: FastCheck.constantFrom<Moment>("encoded", "handled", "answered", "received") }
    ),
    within:
      depth === 0
        ? FastCheck.constant([])
        : FastCheck.array(
            FastCheck.record({
              when: FastCheck.constantFrom("encoded", "handled", "answered", "received", "ended"),
              step: stepOf(depth - 1)
            }),
            { maxLength: 3, size: "max" }
          )
  })

const burst = FastCheck.array(stepOf(3), { minLength: 1, maxLength: 6, size: "max" })

const scripts = FastCheck.record({
  version: FastCheck.constantFrom<0 | 1 | 2>(2, 2, 2, 1, 0),
  maxHandlersInFlight: FastCheck.constantFrom(2, 1024),
  highWaterMark: FastCheck.constantFrom(500, 500, 100_000),
  /** The steps that are taken in one turn of the event loop. */
  turns: FastCheck.array(
    FastCheck.oneof(
      { weight: 3, arbitrary: burst },
      // The connection ends before anything of the burst has arrived.
      { weight: 1, arbitrary: FastCheck.tuple(burst, stepOf(0, endings)).map(([before, end]) => [...before, end]) }
    ),
    { minLength: 1, maxLength: 6, size: "max" }
  )
})

type Script = typeof scripts extends FastCheck.Arbitrary<infer A> ? A : never

/** A step that runs, and the steps within it that haven't been taken yet. */
interface Call {
  readonly step: Step
  readonly id: number
  left: Step["within"]
}

const run = Effect.fnUntraced(function* ({ turns, version, ...limits }: Script) {
  // Nothing may need a deadline to end.
  const options = { ...limits, heartbeat: "1 day", requestTimeout: "1 day" } as const
  const ends = yield* makeEnds({ version, near: options, far: options })
  const scope = yield* Effect.scope
  const handlerScope = Scope.fork(scope, ExecutionStrategy.sequential)
  const scopes = { near: yield* handlerScope, far: yield* handlerScope }
  const calls: Array<Call> = []
  const running: Array<{ readonly what: string; readonly execution: Execution.Execution<unknown, unknown> }> = []
  const waiting: Array<() => void> = []

  const reach = (call: Call, moment: Moment) => {
    const { left } = call
    call.left = left.filter(({ when }) => when !== moment)
    for (const { step, when } of left) if (when === moment) take(step)
    if (call.step.throwsWhen === moment) throw new Error(`thrown when ${moment}`)
  }

  const payloadOf = (call: Call, moment: Moment) => ({
    call: call.id,
    text: "x".repeat(call.step.length),
    get last() {
      reach(call, moment)
      return 0
    }
  })

  const callOf = (payload: unknown) => calls[(payload as { readonly call: number }).call] as Call

  const effectOf = (call: Call): Effect.Effect<unknown, unknown> => {
    const { at, what, which } = call.step
    const { socket, transport } = ends[at]
    const payload = payloadOf(call, "encoded")
    const received = Effect.sync(() => reach(call, "received"))
    switch (what) {
      case "echo":
        return socket.request(Echo, payload)
      case "checked":
        return socket.request(Checked, payload)
      case "wait":
        return socket.request(Wait, payload)
      case "notify":
        return socket.notify(Echo, payload)
      case "items":
        return drain(socket.stream(untypedStream(Items), payload, undefined, undefined), received)
      case "relay": {
        const input = Stream.make(payloadOf(call, "encoded"), payloadOf(call, "encoded"))
        return drain(socket.stream(untypedStream(Relay), payload, input, undefined), received)
      }
      case "interrupt": {
        const others = running.filter(({ execution }) => execution.exit === undefined)
        return Effect.sync(() => others[which % others.length]?.execution.interrupt())
      }
      case "answer":
        return Effect.sync(() => waiting.splice(which % waiting.length, 1)[0]?.())
      case "freeze":
        return Effect.sync(() => transport.freeze())
      case "thaw":
        return Effect.sync(() => transport.thaw())
      case "unregister":
        return Scope.close(scopes[at], Exit.void)
      case "close":
        return socket.close({ code: CloseCode.Normal, reason: "done" })
      case "terminate":
        return Effect.sync(() => transport.terminate())
    }
  }

  const take = (step: Step) => {
    const call = { step, id: calls.length, left: step.within }
    calls.push(call)
    const effect = effectOf(call)
    const execution = Execution.start(step.inFiber ? Effect.suspend(() => effect) : effect, (forked) =>
      Effect.runFork(forked)
    )
    running.push({ what: step.what, execution })
    execution.observe(() => reach(call, "ended"))
  }

  const answer = (payload: unknown) => {
    const call = callOf(payload)
    reach(call, "handled")
    return call.step.inFiber
      ? Effect.suspend(() => Effect.succeed(payloadOf(call, "answered")))
      : Effect.succeed(payloadOf(call, "answered"))
  }

  for (const at of ["near", "far"] as const) {
    const { handle, handlers } = ends[at]
    yield* handle(Checked, answer)
    yield* handlers.handleStream(Items, (payload: unknown) => {
      const call = callOf(payload)
      const item = payloadOf(call, "answered")
      return Stream.concat(Stream.make(item, item, item), Stream.fromEffect(Effect.sync(() => reach(call, "handled"))))
    })
    yield* Effect.all([
      handle(Echo, answer),
      handle(Wait, (payload) =>
        (callOf(payload).step.interruptible ? Effect.interruptible : Effect.uninterruptible)(
          Effect.async<unknown>((resume) => {
            waiting.push(() => resume(Effect.suspend(() => answer(payload))))
          })
        )
      ),
      handlers.handleStream(Relay, (_: unknown, input: Stream.Stream<unknown>) =>
        Stream.tap(input, (element) => Effect.sync(() => reach(callOf(element), "handled")))
      )
    ]).pipe(Scope.extend(scopes[at]))
  }

  for (const turn of turns) {
    for (const step of turn) take(step)
    yield* settled
  }
  // What is still to come may take further steps.
  for (let quiet = 0; quiet < 3; ) {
    const taken = calls.length
    for (const { transport } of Object.values(ends)) transport.thaw()
    for (const resume of waiting.splice(0)) resume()
    yield* settled
    quiet = taken === calls.length && waiting.length === 0 ? quiet + 1 : 0
  }
  const stuck = running.flatMap(({ execution, what }) => (execution.exit === undefined ? [what] : []))
  assert.deepStrictEqual(stuck, [], stuck.join())
  for (const { socket } of Object.values(ends)) {
    const { held, heldBytes, streams } = socket
    const now = { held, heldBytes, streams }
    // The property's report shows the message alone.
    assert.deepStrictEqual(now, { held: nothing, heldBytes: 0, streams: 0 }, JSON.stringify(now))
    yield* socket.close({ code: CloseCode.Normal, reason: "done" })
  }
})

const drain = (stream: Stream.Stream<unknown, unknown, unknown>, received: Effect.Effect<void>) =>
  Stream.runForEach(stream as Stream.Stream<unknown, unknown>, () => received)

/** What the library's metrics stand at, apart from those at zero. */
const gauges = () =>
  Metric.unsafeSnapshot().flatMap(({ metricKey: { name, tags }, metricState }) =>
    name.startsWith("effect_ipc") && MetricState.isCounterState(metricState) && Number(metricState.count) !== 0
      ? [`${[name, ...tags.map(({ value }) => value)].join(" ")}: ${metricState.count}`]
      : []
  )

describe("A connection that is used by the code it runs", () => {
  it("ends every call, holds nothing afterwards, and its gauges return", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(scripts, async (script) => {
        const before = gauges()
        await Effect.runPromise(run(script).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.None)))
        await Effect.runPromise(settled)
        const after = gauges()
        assert.deepStrictEqual(after, before, after.join())
      }),
      // Of the faults that it has found, the rarest shows in one run of fifty.
      { numRuns: 300 }
    ))
})
