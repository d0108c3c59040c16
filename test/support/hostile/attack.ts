/**
 * Attacks made of many connections, each of which writes its bytes and ends.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import { Dice } from "./Dice.js"

/** What repeats a run: `FUZZ_SEED` is another than the usual one. */
export const seed = Number(process.env.FUZZ_SEED ?? 1)

/** How long a connection may stay once this end has ended it: beyond every limit that the leader has. */
const patience = "20 seconds"

/** Writes the bytes, piece by piece, and ends. Done with what was answered when the leader has closed the connection, too. */
export const send = (
  port: number,
  pieces: ReadonlyArray<Buffer>,
  ending: "end" | "reset" = "end"
): Effect.Effect<string, Error> =>
  Effect.async<string>((resume) => {
    let answer = ""
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
      for (const piece of pieces) socket.write(piece)
      if (ending === "end") socket.end()
      else socket.write("", () => socket.resetAndDestroy())
    })
    socket.setNoDelay()
    socket.on("data", (data) => {
      if (answer.length < 64 * 1024) answer += data.toString("latin1")
    })
    socket.on("error", () => {})
    socket.on("end", () => socket.end())
    socket.on("close", () => resume(Effect.succeed(answer)))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutFail({
      duration: patience,
      onTimeout: () =>
        new Error(`the connection stays: ${JSON.stringify(Buffer.concat(pieces).toString("latin1").slice(0, 2000))}`)
    })
  )

/** Each number's attack, a few at a time, with dice of its own. */
export const each = <A, E, R>(count: number, attack: (dice: Dice, number: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(
    Array.from({ length: count }, (_, number) => number),
    (number) => attack(new Dice(seed, number), number),
    { concurrency: 12 }
  )
