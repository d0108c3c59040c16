import * as Socket from "@effect/platform/Socket"
import { Effect, Queue } from "effect"

/** Joins the chat room as one of its members, until the scope closes. */
export const join = Effect.fn(function* (room: string, name: string) {
  const socket = yield* Socket.makeWebSocket(`${room.replace(/^http/, "ws")}/chat?name=${name}`)
  const heard = yield* Queue.unbounded<string>()
  yield* Effect.forkScoped(socket.runRaw((message) => Queue.offer(heard, String(message))))
  return { write: yield* socket.writer, hear: Queue.take(heard) }
})
