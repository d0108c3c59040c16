import { assert, describe, it } from "@effect/vitest"
import { ArrivedPackets } from "../../../src/connection/ArrivedPackets.js"
import type { Packet } from "../../../src/connection/Transport.js"

/** Notes what is handled; `onFrame` is called with each frame. */
const noting = (joined: boolean, onFrame: (frame: string) => void = () => {}) => {
  const noted: Array<string> = []
  const arrived = new ArrivedPackets(
    {
      beginFrames: (isNewMessage) => noted.push(isNewMessage ? "message" : "rest"),
      onPacket: (packet: Packet, _message: Packet, start: number) => {
        noted.push(`${packet}@${start}`)
        onFrame(String(packet))
      },
      endFrames: () => noted.push("end")
    },
    joined
  )
  return { arrived, noted }
}

const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${100 + from + i}`)
const at = (from: number, to: number) => names(from, to).map((name, i) => `${name}@${(from + i) * 4}`)
const joined = (count: number) => names(0, count).join("\n")

describe("ArrivedPackets", () => {
  it("handles a message of few frames at once", () => {
    const { arrived, noted } = noting(true)
    arrived.add("a\nb\n")
    arrived.add("c")
    arrived.add("")
    assert.deepStrictEqual(noted, [
      "message",
      "a@0",
      "b@2",
      "@4",
      "end",
      "message",
      "c@0",
      "end",
      "message",
      "@0",
      "end"
    ])
  })

  it("handles a text that can't be joined as one frame", () => {
    const { arrived, noted } = noting(false)
    arrived.add("a\nb")
    assert.deepStrictEqual(noted, ["message", "a\nb@0", "end"])
  })

  it("lets what a few frames have woken run before the next ones", async () => {
    const { arrived, noted } = noting(true, (frame) => {
      if (frame === "131") queueMicrotask(() => noted.push("woken"))
    })
    arrived.add(joined(70))
    assert.deepStrictEqual(noted, ["message", ...at(0, 32), "end"])
    await Promise.resolve()
    await Promise.resolve()
    await Promise.resolve()
    assert.deepStrictEqual(noted, [
      ...["message", ...at(0, 32), "end", "woken"],
      ...["rest", ...at(32, 64), "end"],
      ...["rest", ...at(64, 70), "end"]
    ])
  })

  it("keeps messages that arrive meanwhile in order", async () => {
    const { arrived, noted } = noting(true)
    arrived.add(joined(33))
    arrived.add("later")
    arrived.add(new TextEncoder().encode("!"))
    assert.deepStrictEqual(noted, ["message", ...at(0, 32), "end"])
    await new Promise<void>((resolve) => setImmediate(resolve))
    assert.deepStrictEqual(noted.slice(34), [
      ...["rest", "132@128", "end"],
      ...["message", "later@0", "end"],
      ...["message", "33@0", "end"]
    ])
  })

  it("handles all at once where the connection has ended", async () => {
    const { arrived, noted } = noting(true)
    arrived.add(joined(80))
    arrived.flush()
    const handled = ["message", ...at(0, 32), "end", "rest", ...at(32, 80), "end"]
    assert.deepStrictEqual(noted, handled)
    await new Promise<void>((resolve) => setImmediate(resolve))
    assert.deepStrictEqual(noted, handled)
  })

  it("handles no frame twice where a frame ends the connection", async () => {
    const { arrived, noted } = noting(true, (frame) => {
      if (frame === "140") arrived.flush()
    })
    arrived.add(joined(50))
    await new Promise<void>((resolve) => setImmediate(resolve))
    assert.deepStrictEqual(noted, ["message", ...at(0, 32), "end", "rest", ...at(32, 50), "end"])
  })

  it("forgets what waits where it is cleared", async () => {
    const { arrived, noted } = noting(true)
    arrived.add(joined(50))
    arrived.clear()
    await new Promise<void>((resolve) => setImmediate(resolve))
    assert.deepStrictEqual(noted, ["message", ...at(0, 32), "end"])
  })
})
