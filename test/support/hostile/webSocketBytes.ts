/**
 * WebSocket handshakes and frames (RFC 6455) that the protocol forbids, that are rare, or that are broken in the middle.
 */
import { frame } from "../rawFrames.js"
import type { Dice } from "./Dice.js"

const key = "dGhlIHNhbXBsZSBub25jZQ=="

const requestLines = [
  "GET {path} HTTP/1.1",
  "GET {path} HTTP/1.1",
  "GET {path} HTTP/1.1",
  "GET {path} HTTP/1.0",
  "POST {path} HTTP/1.1",
  "GET {path}?runtimeId=%00%ff HTTP/1.1",
  "GET {path}?runtimeId=__proto__ HTTP/1.1",
  "GET {path}?runtimeId=well-behaved-not HTTP/1.1",
  `GET {path}?runtimeId=${"n".repeat(300)} HTTP/1.1`,
  "GET {path}?runtimeId=a&runtimeId=b HTTP/1.1",
  "GET {path}?% HTTP/1.1",
  "GET {path}/below HTTP/1.1"
]

const variations: ReadonlyArray<string> = [
  "Sec-WebSocket-Version: 12",
  "Sec-WebSocket-Version: 8, 13",
  "Sec-WebSocket-Key: short",
  `Sec-WebSocket-Key: ${key}`,
  "Sec-WebSocket-Protocol: effect-ipc.1",
  "Sec-WebSocket-Protocol: effect-ipc.2, effect-ipc.1, effect-ipc.plain",
  "Sec-WebSocket-Protocol: effect-ipc.1, effect-ipc.1",
  "Sec-WebSocket-Protocol: a b",
  "Sec-WebSocket-Protocol: ,",
  "Sec-WebSocket-Protocol: __proto__",
  `Sec-WebSocket-Protocol: ${Array.from({ length: 1000 }, (_, i) => `p${i}`).join(",")}`,
  "Sec-WebSocket-Extensions: permessage-deflate",
  "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
  "Sec-WebSocket-Extensions: ;;",
  `Sec-WebSocket-Extensions: ${"permessage-deflate,".repeat(500)}x`,
  "Upgrade: h2c",
  "Upgrade: websocket, websocket",
  "Connection: close",
  "Connection: keep-alive, Upgrade",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "Origin: http://evil.example",
  "Origin: null",
  "Host: evil.example",
  "Authorization: Bearer x",
  "Expect: 100-continue",
  "\u00ff: \u00ff",
  "No colon"
]

/** An upgrade, most often one that is taken. */
export const handshake = (dice: Dice, path: string): Buffer => {
  const usual = [
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${key}`
  ]
  const kept = usual.filter(() => !dice.chance(0.03))
  const lines = [
    dice.pick(requestLines).replace("{path}", path),
    ...kept,
    ...dice.some(0, 2, () => dice.pick(variations))
  ]
  const bytes = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1")
  return dice.chance(0.1) ? dice.spoil(bytes) : bytes
}

const texts: ReadonlyArray<string> = [
  "",
  "r:1:math/add:{}",
  'r:1:math/add:{"a":1,"b":2}',
  "r:2:hang:",
  "c:2::",
  "m::math/add:{}",
  's:1:math/add:{"success":true}',
  "r:3:blob:100000",
  "r:4:discovery/watch:",
  'r:5:discovery/register:[{"__proto__":{"polluted":true}}]',
  "r:6:discovery/getServerInfo:",
  "r:7:__proto__:{}",
  ":::",
  "x",
  "i:::",
  "q:::{}",
  "\ud83c\udca1:\u0000"
]

const closeCodes = [0, 999, 1000, 1001, 1004, 1005, 1006, 1009, 1015, 2999, 4000, 5000, 65535]

const one = (dice: Dice): Buffer => {
  const text = Buffer.from(dice.pick(texts))
  switch (dice.below(12)) {
    case 0:
      return frame(text, { masked: false })
    case 1:
      return frame(text, { rsv: 1 + dice.below(7) })
    case 2:
      return frame(text, { opcode: dice.below(16) })
    case 3:
      return frame(text, { opcode: dice.below(16), fin: false })
    case 4: {
      const code = Buffer.alloc(2)
      code.writeUInt16BE(dice.pick(closeCodes))
      return frame(Buffer.concat([code, dice.bytes(dice.below(140))]), { opcode: 8 })
    }
    case 5:
      return frame(dice.bytes(dice.below(140)), { opcode: dice.pick([9, 10]) })
    case 6:
      return frame(text, { toldLength: dice.pick([0, 125, 126, 65_536, 2 ** 32, 2 ** 53]) })
    case 7:
      return Buffer.concat([
        frame(text, { fin: false }),
        ...dice.some(0, 200, () => frame(dice.bytes(dice.below(3)), { opcode: 0, fin: false })),
        frame(Buffer.alloc(0), { opcode: dice.pick([0, 1, 9]) })
      ])
    case 8:
      return frame(dice.bytes(dice.below(100)))
    default:
      return frame(text)
  }
}

export const frames = (dice: Dice): Buffer => {
  const bytes = Buffer.concat(dice.some(0, 30, () => one(dice)))
  return dice.chance(0.2) ? dice.spoil(bytes) : bytes
}
