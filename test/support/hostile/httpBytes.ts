/**
 * Requests and responses that HTTP forbids, that are rare, or that are broken in the middle.
 */
import type { Dice } from "./Dice.js"

const methods = [
  "GET",
  "GET",
  "POST",
  "POST",
  "HEAD",
  "PUT",
  "OPTIONS",
  "DELETE",
  "CONNECT",
  "TRACE",
  "PRI",
  "get",
  "",
  "M-SEARCH",
  "GÉT"
]

const targets = [
  "/service/a",
  "/service/a?x=1",
  "/service/events",
  "/broken/a",
  "/route/blob/3",
  "/route/length",
  "/route/hang",
  "/route/%zz",
  "/route/blob/%00",
  "/none",
  "/",
  "",
  "*",
  "//",
  "//service/a",
  "/service/../route/blob/3",
  "/service/%2e%2e/a",
  "/service/\u0000a",
  "/sérvice",
  "/__ipc",
  "/__ipc?runtimeId=%ff",
  "/__ipc/../x",
  "/__proto__",
  "/constructor",
  "http://localhost/service/a",
  "http://127.0.0.1:1/service/a",
  "http://[::1",
  "https://user:password@localhost/route/blob/3",
  "ws://localhost/service/ws",
  "localhost:443",
  `/service/${"a".repeat(5000)}`,
  `/service/?${"id=1&".repeat(2000)}`
]

const versions = [
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/0.9",
  "HTTP/2.0",
  "HTTP/9.9",
  "HTTX/1.1",
  ""
]

const headers: ReadonlyArray<string> = [
  "Host: localhost",
  "Host: localhost",
  "Host: localhost:1, other",
  "Host: [::1",
  "Host:",
  "Host: a/b?c#d@e",
  "Content-Length: 0",
  "Content-Length: 5",
  "Content-Length: 5",
  "Content-Length: +5",
  "Content-Length: 5, 5",
  "Content-Length: -1",
  "Content-Length: 0x5",
  "Content-Length: 99999999999999999999",
  "Content-Length: 16777217",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: \u000bchunked",
  "Transfer-Encoding: xchunked",
  "Connection: close",
  "Connection: keep-alive",
  "Connection: Upgrade",
  "Connection: Upgrade",
  "Connection: Upgrade, HTTP2-Settings",
  `Connection: ${"a,".repeat(1000)}`,
  "Connection: host, content-length, transfer-encoding",
  "Upgrade: websocket",
  "Upgrade: websocket",
  "Upgrade: h2c",
  "Upgrade: x, h2c",
  "Upgrade: tcp",
  "Upgrade: , ,",
  "HTTP2-Settings: AAMAAABkAAQAAP__",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Version: 12",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Key: short",
  "Sec-WebSocket-Protocol: effect-ipc.1, effect-ipc.1",
  "Sec-WebSocket-Protocol: ,,a b",
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
  "Origin: null",
  "Expect: 100-continue",
  "Expect: 200-ok",
  "TE: trailers",
  "Trailer: Content-Length",
  "Content-Encoding: gzip",
  "Content-Type: application/json",
  "Content-Type: application/json; charset=\u0000",
  "Content-Type: text/plain; charset=latin1",
  "X-Forwarded-For: 1, 2, 3, , ,",
  "X-Forwarded-Proto: \u00ff",
  "Forwarded: for=",
  "Authorization: Bearer ",
  "Cookie: __proto__=1",
  "__proto__: polluted",
  "constructor: polluted",
  "No colon",
  ": no name",
  "Na me: value",
  "Folded: one\r\n two",
  "Bare: one\rtwo",
  "Nul: \u0000",
  "Latin: \u00e9\u00ff",
  `Long: ${"l".repeat(20_000)}`
]

const bodies: ReadonlyArray<string> = [
  "",
  "",
  "hello",
  '{"__proto__":{"polluted":true}}',
  '{"a":',
  "5\r\nhello\r\n0\r\n\r\n",
  "5;a=b\r\nhello\r\n0\r\nTrailer: yes\r\n\r\n",
  "5\r\nhel",
  "ffffffffffffffff\r\nhello\r\n",
  "-5\r\nhello\r\n0\r\n\r\n",
  `5;${"e".repeat(20_000)}\r\nhello\r\n0\r\n\r\n`,
  `0\r\n${"T: t\r\n".repeat(3000)}\r\n`,
  "5\nhello\n0\n\n",
  "\u0000\u00ff\u0001",
  "b".repeat(70_000)
]

const lineEnds = ["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"]

export const request = (dice: Dice): Buffer => {
  const end = dice.pick(lineEnds)
  const flood = dice.chance(0.02) ? Array.from({ length: 3000 }, (_, i) => `x-${i}: ${i}`) : []
  // Most keep to the rules as far as the first of them, so that what comes after is looked at.
  const first = dice.chance(0.8) ? ["Host: localhost"] : []
  const lines = [
    `${dice.pick(methods)} ${dice.pick(targets)} ${dice.pick(versions)}`,
    ...first,
    ...dice.some(0, 6, () => dice.pick(headers)),
    ...flood
  ]
  const bytes = Buffer.from(lines.map((line) => line + end).join("") + end + dice.pick(bodies), "latin1")
  return dice.chance(0.3) ? dice.spoil(bytes) : bytes
}

/** A connection's worth of requests, one behind the other. */
export const pipeline = (dice: Dice): Buffer => {
  const requests = dice.some(1, dice.chance(0.2) ? 20 : 2, () => request(dice))
  return Buffer.concat(requests)
}

const statusLines = [
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200",
  "HTTP/1.1 400 Requ\u00eate invalide",
  "HTTP/1.1 200 \u0000",
  "HTTP/1.1 100 Continue",
  "HTTP/1.1 101 Switching Protocols",
  "HTTP/1.1 103 Early Hints",
  "HTTP/1.1 204 No Content",
  "HTTP/1.1 304 Not Modified",
  "HTTP/1.1 000 Zero",
  "HTTP/1.1 099 Low",
  "HTTP/1.1 999 High",
  "HTTP/1.1 1000 Higher",
  "HTTP/1.1 -1 Negative",
  "HTTP/1.0 200 OK",
  "HTTP/2.0 200 OK",
  "ICY 200 OK",
  "",
  "garbage"
]

const responseHeaders: ReadonlyArray<string> = [
  ...headers,
  "Set-Cookie: a=1",
  "Set-Cookie: \u00ff",
  "Location: \u00ff\u0000",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  "Keep-Alive: timeout=0",
  "Keep-Alive: timeout=-1, max=x",
  "Proxy-Connection: keep-alive",
  "Trailer: x"
]

export const response = (dice: Dice): Buffer => {
  const end = dice.pick(lineEnds)
  const lines = [dice.pick(statusLines), ...dice.some(0, 6, () => dice.pick(responseHeaders))]
  const informational = dice.chance(0.1) ? "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(dice.below(50)) : ""
  const text = informational + lines.map((line) => line + end).join("") + end + dice.pick(bodies)
  const bytes = Buffer.from(text, "latin1")
  return dice.chance(0.3) ? dice.spoil(bytes) : bytes
}

const framing =
  /^(Content-Length|Transfer-Encoding|Connection|Upgrade|Proxy-Connection|Keep-Alive|No colon|: no|Folded|Bare)/

/** An answer that is whole, so that the connection needn't end, whatever stands in its head. */
export const wholeResponse = (dice: Dice): Buffer => {
  const harmless = responseHeaders.filter((header) => !framing.test(header))
  const lines = [
    dice.pick(statusLines.filter((line) => /^HTTP\/1\.1 [^1]|1000/.test(line))),
    ...dice.some(0, 6, () => dice.pick(harmless))
  ]
  return Buffer.from(`${lines.join("\r\n")}\r\nContent-Length: 2\r\n\r\nok`, "latin1")
}
