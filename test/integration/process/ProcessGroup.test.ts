import { constants } from "node:os"
import { createInterface } from "node:readline"
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as GroupMembers from "../../../layers/process/GroupMembers.js"
import * as ProcessGroup from "../../../layers/process/ProcessGroup.js"

const node = process.execPath

/** A program that says `up` once its SIGTERM can't end it, or leaves it be. */
const sleeper = (ignores: boolean) =>
  `${ignores ? 'process.on("SIGTERM", () => {});' : ""} console.log("up"); setInterval(() => {}, 1000)`

const spawn = (script: string, grace: Duration.DurationInput = "200 millis") =>
  ProcessGroup.spawn("sh", ["-c", script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SLEEPER: sleeper(false), STUBBORN: sleeper(true) },
    grace
  })

const line = (group: ProcessGroup.ProcessGroup) =>
  Effect.async<string>((resume) => {
    if (group.child.stdout === null) throw new Error("It has no output.")
    createInterface({ input: group.child.stdout }).once("line", (text) => resume(Effect.succeed(text)))
  })

describe("a process group", () => {
  it.live("tells how its first process ended, once all others have", () =>
    Effect.gen(function* () {
      const group = yield* spawn(`'${node}' -e "$SLEEPER" & read -r _; exit 3`)
      assert.deepStrictEqual([yield* group.exit, yield* group.ended], [{ code: 3 }, { code: 3 }])
      assert.isFalse(GroupMembers.isAlive(group.pid))
    })
  )

  it.live("is killed where a process of it ignores SIGTERM for longer than the grace", () =>
    Effect.gen(function* () {
      const group = yield* spawn(`'${node}' -e "$STUBBORN" & wait`)
      yield* line(group)
      group.child.kill("SIGTERM")
      assert.deepStrictEqual(yield* group.exit, { signal: "SIGTERM" })
      assert.isTrue(GroupMembers.isAlive(group.pid))
      assert.deepStrictEqual(yield* group.ended, { signal: "SIGTERM" })
      assert.isFalse(GroupMembers.isAlive(group.pid))
    })
  )

  it.live("gets a signal as a whole", () =>
    Effect.gen(function* () {
      const group = yield* spawn(`'${node}' -e "$SLEEPER"; exit 0`, "1 minute")
      yield* line(group)
      group.signal("SIGKILL")
      assert.deepStrictEqual(yield* group.ended, { signal: "SIGKILL" })
      // It may be another's by now.
      group.signal("SIGKILL")
    })
  )

  it.live("fails to start with what the system says", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(ProcessGroup.spawn("no-such-command", [], {}))
      assert.strictEqual(missing.code, "ENOENT")
      const tooLong = yield* Effect.flip(ProcessGroup.spawn(node, ["x".repeat(4_000_000)], {}))
      assert.deepStrictEqual([tooLong.code, Math.abs(tooLong.errno ?? 0)], ["E2BIG", constants.errno.E2BIG])
    })
  )
})
