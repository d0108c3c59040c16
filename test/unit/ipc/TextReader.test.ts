import { setImmediate as nextTurn } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as WebSocketTransport from "../../../layers/ipc/WebSocketTransport.js"
import type { Transport } from "../../../src/connection/Transport.js"
import { type Opened, openClient, openServer } from "../../support/webSocketOnPipe.js"

type Role = "client" | "server"

const maxFrameBytes = 50_000

/** What a listener of the transport is told while these chunks arrive, in one turn or each in its own, and then until its end. */
const told = async (
  { socket, webSocket }: Opened,
  transport: Transport,
  chunks: ReadonlyArray<Buffer>,
  isSlow: boolean,
  onReceiving: (bytes: number) => void = () => {}
) => {
  const events: Array<string> = []
  let closed = () => {}
  const end = new Promise<void>((resolve) => {
    closed = resolve
  })
  transport.listen({
    onText: (text) => {
      events.push(`text ${text.length} ${text.slice(0, 20)}`)
      if (text === "close") transport.close({ code: 4000, reason: "asked to" })
    },
    onBytes: (bytes) => events.push(`bytes ${bytes.length} ${bytes[0]}`),
    onAlive: () => events.push("alive"),
    onReceiving: (bytes) => onReceiving(bytes),
    onDrain: () => {},
    onClosed: ({ code, reason }) => {
      events.push(`closed ${code} ${reason}`)
      closed()
    }
  })
  webSocket.on("error", ({ message }) => events.push(message))
  for (const chunk of chunks) {
    if (socket.destroyed) break
    // Both ends unmask in place.
    socket.push(Buffer.from(chunk))
    if (isSlow) await nextTurn()
  }
  for (let i = 0; i < 3; i++) await nextTurn()
  transport.terminate()
  await end
  return events
}

const frame = (role: Role, first: number, body: Buffer, key = [1, 2, 3, 4]): Buffer => {
  // A server receives what is masked.
  const bit = role === "server" ? 0x80 : 0
  const { length } = body
  const head = length < 126 ? [first, bit | length] : [first, bit | 126, length >> 8, length & 0xff]
  if (bit === 0) return Buffer.concat([Buffer.from(head), body])
  return Buffer.concat([Buffer.from([...head, ...key]), body.map((byte, i) => byte ^ (key[i % 4] as number))])
}

const long = (role: Role, first: number, length: number): Buffer => {
  const head = Buffer.alloc(10)
  head[0] = first
  head[1] = 127 | (role === "server" ? 0x80 : 0)
  head.writeUInt32BE(length, 6)
  // Masked by zeros.
  return Buffer.concat([head, Buffer.alloc(role === "server" ? 4 : 0), Buffer.alloc(length, "l")])
}

const other = (role: Role): Role => (role === "server" ? "client" : "server")

/** What a peer sends by names, so that a failure shows them: each is some frames. */
const sent = {
  text: (role: Role) => [frame(role, 0x81, Buffer.from("text"))],
  empty: (role: Role) => [frame(role, 0x81, Buffer.alloc(0))],
  unicode: (role: Role) => [frame(role, 0x81, Buffer.from("ü😀".repeat(30)))],
  medium: (role: Role) => [frame(role, 0x81, Buffer.alloc(200, "m"))],
  "over the limit": (role: Role) => [frame(role, 0x81, Buffer.alloc(maxFrameBytes + 1, "o"))],
  "over the limit, joined": (role: Role) => [frame(role, 0x81, Buffer.alloc(maxFrameBytes + 1, "o\n"))],
  long: (role: Role) => [long(role, 0x81, 70_000)],
  bytes: (role: Role) => [frame(role, 0x82, Buffer.alloc(300, 7))],
  ping: (role: Role) => [frame(role, 0x89, Buffer.from("ping"))],
  pong: (role: Role) => [frame(role, 0x8a, Buffer.alloc(0))],
  fragments: (role: Role) => [
    frame(role, 0x01, Buffer.from("one ")),
    frame(role, 0x89, Buffer.alloc(0)),
    frame(role, 0x00, Buffer.alloc(200, "t")),
    frame(role, 0x80, Buffer.from(" three"))
  ],
  "text among fragments": (role: Role) => [
    frame(role, 0x01, Buffer.from("one ")),
    frame(role, 0x81, Buffer.from("another"))
  ],
  "a continuation of nothing": (role: Role) => [frame(role, 0x80, Buffer.from("end"))],
  "not UTF-8": (role: Role) => [frame(role, 0x81, Buffer.from([0xff, 0xfe]), [0x80, 0x80, 0x80, 0x80])],
  "a reserved bit": (role: Role) => [frame(role, 0xc1, Buffer.from("text"))],
  "the wrong mask bit": (role: Role) => [frame(other(role), 0x81, Buffer.from("text"))],
  "asks to close": (role: Role) => [frame(role, 0x81, Buffer.from("close"))],
  close: (role: Role) => [frame(role, 0x88, Buffer.from([0x0f, 0xa1, 0x62, 0x79]))]
}

const names = Object.keys(sent) as ReadonlyArray<keyof typeof sent>
const usual = names.slice(0, names.indexOf("fragments") + 1).filter((name) => !name.startsWith("over"))

/** What is usual comes more often, since everything else ends the connection. */
const stream = FastCheck.array(
  FastCheck.oneof(
    { weight: 4, arbitrary: FastCheck.constantFrom(...usual) },
    { weight: 1, arbitrary: FastCheck.constantFrom(...names) }
  ),
  { minLength: 1, maxLength: 12 }
)

/** Where chunks end: behind a frame, nowhere in it, or so many bytes from its beginning. */
const cuts = FastCheck.array(FastCheck.oneof(FastCheck.constantFrom("behind", "nowhere"), FastCheck.nat(300)), {
  minLength: 1,
  maxLength: 20
})

const cut = (frames: ReadonlyArray<Buffer>, places: ReadonlyArray<number | string>): ReadonlyArray<Buffer> => {
  const chunks: Array<Buffer> = []
  let chunk = Buffer.alloc(0)
  frames.forEach((frame, i) => {
    const place = places[i % places.length] as number | string
    const at = typeof place === "number" ? place % frame.length : place === "behind" ? frame.length : 0
    chunk = Buffer.concat([chunk, frame.subarray(0, at)])
    if (place !== "nowhere" && chunk.length > 0) {
      chunks.push(chunk)
      chunk = Buffer.alloc(0)
    }
    chunk = Buffer.concat([chunk, frame.subarray(at)])
  })
  return [...chunks, chunk]
}

describe.each([
  { role: "server", open: openServer },
  { role: "client", open: openClient }
] as const)("TextReader of a $role", ({ open, role }) => {
  const agree = async (chunks: ReadonlyArray<Buffer>, isSlow: boolean) => {
    const own = await open()
    const alone = await open()
    const transport = WebSocketTransport.makeOwn(own.webSocket, own.socket, role, maxFrameBytes, undefined)
    const expected = await told(
      alone,
      WebSocketTransport.make(alone.webSocket, alone.socket, maxFrameBytes),
      chunks,
      isSlow
    )
    assert.deepStrictEqual(await told(own, transport, chunks, isSlow), expected)
  }

  it.each(names)("tells what ws by itself would tell where text comes after %s", async (name) => {
    const frames = [...sent[name](role), ...sent.text(role)]
    await agree([Buffer.concat(frames)], false)
    for (const isSlow of [false, true]) {
      await agree(frames, isSlow)
      await agree([...sent.text(role), ...cut(frames, [1]), ...sent.text(role)], isSlow)
    }
  })

  it("counts nothing as received of a message once a text has come", async () => {
    const own = await open()
    const transport = WebSocketTransport.makeOwn(own.webSocket, own.socket, role, maxFrameBytes, undefined)
    const received: Array<number> = []
    const pong = frame(role, 0x8a, Buffer.alloc(125))
    const pongs = Array.from({ length: 6 }, () => Buffer.concat(Array.from({ length: 100 }, () => pong)))
    await told(own, transport, [...pongs, ...sent.text(role)], true, (bytes) => received.push(bytes))
    assert.deepStrictEqual(received, [600 * pong.length, 0])
  })

  it.effect.prop(
    "tells what ws by itself would tell, however it arrives",
    [stream, cuts, FastCheck.boolean()],
    ([kinds, places, isSlow]) => {
      const frames = kinds.flatMap((kind) => sent[kind](role))
      return Effect.promise(() => agree(cut(frames, places), isSlow))
    },
    { fastCheck: { numRuns: 20 } }
  )
})
