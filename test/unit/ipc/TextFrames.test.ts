import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TextFrames from "../../../layers/ipc/TextFrames.js"
import { openClient, openServer, Pipe } from "../../support/webSocketOnPipe.js"

const lengths = [0, 1, 124, 125, 126, 127, 4000, 4096, 65_535, 65_536, 70_001]

const texts = FastCheck.array(
  FastCheck.tuple(FastCheck.constantFrom("x", "ü", "😀"), FastCheck.constantFrom(...lengths)).map(([unit, length]) =>
    unit.repeat(Math.ceil(length / Buffer.byteLength(unit)))
  ),
  { minLength: 1, maxLength: 3 }
)

describe.each([
  { sender: "client", openReceiver: openServer },
  { sender: "server", openReceiver: openClient }
] as const)("TextFrames of a $sender", ({ openReceiver, sender }) => {
  it.effect.prop(
    "are what ws at the other end reads as these texts",
    [texts],
    ([texts]) =>
      Effect.promise(async () => {
        const receiver = await openReceiver()
        const received: Array<string> = []
        receiver.webSocket.on("message", (text: Buffer, isBinary) =>
          received.push(isBinary ? "binary" : text.toString())
        )
        receiver.webSocket.on("error", ({ message }) => received.push(message))
        const socket = new Pipe()
        socket.onWritten = (chunk) => receiver.socket.push(chunk)
        for (const text of texts) TextFrames.write(socket, text, sender === "client")
        receiver.webSocket.terminate()
        assert.deepStrictEqual(received, texts)
      }),
    { fastCheck: { numRuns: 10 } }
  )

  it("are masked by another key each time, if at all", () => {
    const keys = new Set<string>()
    const socket = new Pipe()
    socket.onWritten = (frame) => keys.add(frame.toString("hex", 0, 6))
    for (let i = 0; i < 5000; i++) TextFrames.write(socket, "", sender === "client")
    // Of 5000 random keys of 32 bits a pair is equal once in 340 times, three hardly ever.
    if (sender === "client") assert.isAbove(keys.size, 4990)
    else assert.deepStrictEqual([...keys], ["8100"])
  })
})
