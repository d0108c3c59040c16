import { assert, describe, it } from "@effect/vitest"
import { WorkerDied, WorkerStartFailed } from "effect-ipc"

const hint = (stderr: string): string => {
  const { message } = new WorkerDied({
    runtimeId: "orders",
    module: "/tests/orders.ts",
    when: "before it was ready",
    code: 1,
    stopped: false,
    stderr,
    stdout: ""
  })
  return (message.split("\n")[0] as string).replace(/^.* before it was ready\. /, "")
}

const asItIs =
  'Node can\'t load its module as it is: pass { execArgv: ["--import", "tsx"] }, or the path of the compiled file.'

/** The first lines of what Node 20, 22 and 24 print. */
const printed: Readonly<Record<string, string>> = {
  'TypeError [ERR_UNKNOWN_FILE_EXTENSION]: Unknown file extension ".ts" for /tests/orders.ts': asItIs,
  "SyntaxError [ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX]: TypeScript enum is not supported in strip-only mode": asItIs,
  "Error [ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING]: Stripping types is currently unsupported for files under node_modules":
    asItIs,
  "Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/tests/limits.js' imported from /tests/orders.ts\n    at finalizeResolution":
    'A TypeScript module imports one that Node can\'t find: fix the path, or pass { execArgv: ["--import", "tsx"] } where it names a file that is yet to be compiled.',
  "Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/tests/orders.ts' imported from /tests/":
    "Is the module's path right? Pass a URL: new URL(…, import.meta.url).",
  "Error: Cannot find module '/tests/orders.ts'\n  code: 'MODULE_NOT_FOUND'":
    "Is the module's path right? Pass a URL: new URL(…, import.meta.url).",
  "Error: the database is missing": "Fix the error printed on stderr:"
}

describe("WorkerDied", () => {
  it("leaves out what Node prints of a module that isn't there, and quotes what else it printed", () => {
    const linesOf = (missing: string) =>
      new WorkerDied({
        runtimeId: "orders",
        module: "/tests/orders.ts",
        when: "before it was ready",
        code: 1,
        stopped: false,
        stderr: `Error [ERR_MODULE_NOT_FOUND]: Cannot find module '${missing}' imported from /tests/orders.js`,
        stdout: ""
      }).message.split("\n").length
    assert.deepStrictEqual([linesOf("/tests/orders.ts"), linesOf("/tests/limits.js")], [1, 3])
  })

  for (const [stderr, expected] of Object.entries(printed)) {
    it(`says what to do about: ${stderr.split("\n")[0]}`, () => {
      assert.strictEqual(hint(stderr), expected)
    })
  }
})

describe("WorkerStartFailed", () => {
  it("says what a module lacks that only connects", () => {
    const { message } = new WorkerStartFailed({
      runtimeId: "shop",
      module: "/tests/shop.ts",
      reason: "NotReady",
      detail: "after 20s",
      stderr: "",
      stdout: ""
    })
    assert.include(message, "Where its module calls neither, call one, or start it with { command }.")
  })
})
