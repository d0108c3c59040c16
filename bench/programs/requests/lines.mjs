/**
 * Requests by hand without what makes them safe: lines of JSON over a bare socket, a map from ids to callbacks, and a write for
 * each 32 lines and at the end of a turn. No deadlines, no limits, nothing checked. Variants: `promises` over a Unix socket;
 * `fibers`, where each caller is a fiber that waits by `Effect.async`; `cancellable`, with a canceller as well; `tcp`, the same
 * over TCP; `generators`, where each answer is a generator that a fiber of its own runs; `runPromise`, where each caller is one.
 */
import { rmSync } from "node:fs"
import { createConnection, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { effectLoadOf, generator } from "../effects.mjs"
import { loadOf } from "../load.mjs"

const pathOf = (id) => join(tmpdir(), `bench-lines-${id}`)

export const serve = async (variant) => {
  let speaker
  const server = createServer((socket) => {
    speaker = speak(socket, variant)
  })
  await new Promise((resolve) => {
    if (variant === "tcp") server.listen(0, "127.0.0.1", resolve)
    else server.listen(pathOf(process.pid), resolve)
  })
  process.on("exit", () => rmSync(pathOf(process.pid), { force: true }))
  const load = (...args) => loadBy(variant, speaker)(...args)
  return { port: variant === "tcp" ? server.address().port : process.pid, load }
}

export const connect = async (port, variant) => {
  const socket = variant === "tcp" ? createConnection(port, "127.0.0.1") : createConnection(pathOf(port))
  await new Promise((resolve) => socket.on("connect", resolve))
  const speaker = speak(socket, variant)
  return { call: callBy(speaker), load: loadBy(variant, speaker) }
}

const callBy = (speaker) => (payload) => new Promise((resolve) => speaker.ask(payload, resolve))

const loadBy = (variant, speaker) => {
  if (variant === "promises") return loadOf(callBy(speaker))
  const ask = (payload) =>
    Effect.async((resume) => {
      const id = speaker.ask(payload, (value) => resume(Effect.succeed(value)))
      return variant === "fibers" ? undefined : Effect.sync(() => speaker.forget(id))
    })
  if (variant === "runPromise") return loadOf((payload) => Effect.runPromise(ask(payload)))
  return effectLoadOf(Effect.runPromise, () => ask)
}

/** Calls back with the echo that a handler gives. */
const handlerOf = (variant) =>
  variant === "generators"
    ? (payload, onEnd) => Effect.runFork(generator(payload)).addObserver((exit) => onEnd(exit.value))
    : (payload, onEnd) => onEnd(payload)

const speak = (socket, variant) => {
  const handle = handlerOf(variant)
  socket.setNoDelay(true)
  socket.setEncoding("utf8")
  const waiting = new Map()
  let lastId = 0
  let lines = ""
  let count = 0
  let isScheduled = false
  let rest = ""
  const flush = () => {
    if (count > 0) socket.write(lines)
    lines = ""
    count = 0
  }
  const endTurn = () => {
    isScheduled = false
    flush()
  }
  const send = (line) => {
    lines += line
    if (++count === 32) return flush()
    if (isScheduled) return
    isScheduled = true
    setImmediate(endTurn)
  }
  const onLine = (line) => {
    const colon = line.indexOf(":")
    const id = Number(line.slice(1, colon))
    const payload = JSON.parse(line.slice(colon + 1))
    if (line[0] === "r") return handle(payload, (value) => send(`s${id}:${JSON.stringify(value)}\n`))
    const onEnd = waiting.get(id)
    waiting.delete(id)
    onEnd?.(payload)
  }
  socket.on("data", (text) => {
    const received = rest + text
    let start = 0
    for (let end = received.indexOf("\n"); end !== -1; end = received.indexOf("\n", start)) {
      onLine(received.slice(start, end))
      start = end + 1
    }
    rest = received.slice(start)
  })
  return {
    ask: (payload, onEnd) => {
      const id = ++lastId
      waiting.set(id, onEnd)
      send(`r${id}:${JSON.stringify(payload)}\n`)
      return id
    },
    forget: (id) => waiting.delete(id)
  }
}
