import { assert, describe, it } from "@effect/vitest"
import * as IPCError from "../../src/IPCError.js"
import { WorkerDied } from "../../src/WorkerError.js"

/** What a peer may say to move the cursor, to forge a line of a log, and to reorder what is read. */
const said = "no\r\n\u001b[2J[INFO] all is well\u009b5m\u202e"

const quoted = '"no\\r\\n\\u001b[2J[INFO] all is well\\u009b5m\\u202e"'

const printed = "no ?[2J[INFO] all is well?5m?"

describe("the message of an error", () => {
  const at = { request: said, target: said }
  const cases: ReadonlyArray<readonly [Error, string]> = [
    [
      new IPCError.ConnectFailed({ url: "http://a", reason: "Rejected", status: 403, detail: `answered 403: ${said}` }),
      `Could not connect to http://a: answered 403: ${printed}. Connect by a name the server knows, or add it to the server's { allowedHosts } or { allowedOrigins }.`
    ],
    [
      new IPCError.ClientNotConnected({ runtimeId: said, connected: [said] }),
      `No client with runtimeId ${quoted} is connected (connected: ${printed}). Wait until it connects, or check the name.`
    ],
    [
      new IPCError.RequestTimeout({ ...at, millis: 1 }),
      `Request ${quoted} to ${printed} had no answer within 1 ms. If it may take longer, give it a longer timeout.`
    ],
    [
      new IPCError.ConnectionClosed({ ...at, code: 4000, reason: said }),
      `The connection to ${printed} closed (code 4000: ${printed}) before request ${quoted} was answered. Whether it ran there is unknown; send it again only if it may run twice.`
    ],
    [
      new IPCError.NoHandler(at),
      `${printed} has no handler for request ${quoted}. Register one there before the request is made.`
    ],
    [
      new IPCError.InvalidPayload({ ...at, foundBy: "peer", issue: said }),
      `The payload of request ${quoted} was refused by ${printed}: ${printed}`
    ],
    [
      new IPCError.InvalidResponse({ ...at, issue: said }),
      `The response of ${printed} to request ${quoted} can't be decoded: ${printed}. Do both ends share one definition of the request?`
    ],
    [new IPCError.RequestFailed({ ...at, error: said }), `Request ${quoted} failed at ${printed}: ${printed}`],
    [new IPCError.ServiceNotRegistered({ api: said, hint: said }), `No service is registered as ${quoted}. ${printed}`]
  ]
  for (const [error, message] of cases) {
    it(`of ${error.name} has a peer's text on one line, and printable`, () => {
      assert.strictEqual(error.message, message)
    })
  }

  it("of WorkerDied has the lines of the worker's output, without its colours and commands to a terminal", () => {
    const worker = { runtimeId: "w", module: "w.js", when: "before it was ready", code: 1, stopped: false, stdout: "" }
    const { message } = new WorkerDied({ ...worker, stderr: "\u001b[31mfirst\u001b[0m\r\n\tsecond\u001b[2J" })
    assert.deepStrictEqual(message.split("\n").slice(1), ["The end of its stderr:", "  | first", "  |  second?[2J"])
  })
})
