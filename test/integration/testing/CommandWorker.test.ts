/** Workers from commands: programs that know nothing of this library. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Discovery, IPCServer } from "effect-ipc"
import { TestGateway, Worker, WorkerDied } from "effect-ipc/testing"
import { it } from "vitest"
import { WebSocket } from "ws"
import * as Port from "../../support/Port.js"
import { live } from "./live.js"
import { commandService, lives, start } from "./support.js"

/** A server in one line of Node, with more code before it. */
const node = (before = "", port = "process.env.PORT"): Worker.CommandWorkerOptions["command"] => [
  process.execPath,
  "-e",
  `${before};require("http").createServer((q,r)=>r.end("hello "+process.pid)).listen(${port},"127.0.0.1")`
]

const get = (url: string) => Effect.promise(() => fetch(url).then((response) => response.text()))

const gone = (pids: ReadonlyArray<number>) =>
  Effect.forEach(pids, lives).pipe(
    Effect.repeat({ until: (alive) => !alive.includes(true), schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("10 seconds")
  )

const quiet = { stdio: "capture" } as const

/** Where tests and programs are is another place each time. */
const told = (error: { readonly message: string }): string =>
  error.message.replaceAll(process.execPath, "node").replaceAll(/\b\d{4,5}\b/g, "PORT")

describe("a worker from a command", () => {
  live("serves its api on the port that it is given, and its whole group is gone with the scope", () =>
    Effect.gen(function* () {
      const { url } = yield* IPCServer
      const discovery = yield* Discovery
      const scope = yield* Scope.make()
      const worker = yield* Scope.extend(
        Worker.make({
          command: ["perl", commandService],
          api: "colours",
          env: { COLOUR: "blue", HOME: undefined },
          ...quiet
        }),
        scope
      )
      assert.match(worker.runtimeId, /^colours-[0-9a-f]{8}$/)
      const text = yield* get(`${url}/colours/now`)
      assert.match(text, /^\d+ \d+ colour blue, home unset, gateway known$/)
      const pids = text.split(" ").slice(0, 2).map(Number)
      assert.strictEqual(pids[0], yield* worker.pid)
      assert.deepStrictEqual(yield* Effect.forEach(pids, lives), [true, true])
      assert.match((yield* worker.output).stdout, /^answering on \d+\n$/)
      yield* Scope.close(scope, Exit.void)
      yield* gone(pids)
      assert.deepStrictEqual(yield* discovery.routes, [])
    })
  )

  live("restarts on another port under the same api, which is withdrawn while it is stopped", () =>
    Effect.gen(function* () {
      const { url } = yield* IPCServer
      const discovery = yield* Discovery
      const worker = yield* Worker.make({
        command: node("console.log('ready')"),
        api: "hello",
        pathPrefix: "/greetings",
        ready: /^ready$/m,
        ...quiet
      })
      const before = [yield* worker.pid, yield* worker.url]
      assert.strictEqual(yield* get(`${url}/greetings`), `hello ${before[0]}`)
      yield* worker.restart
      const after = [yield* worker.pid, yield* worker.url]
      assert.strictEqual(yield* get(`${url}/greetings`), `hello ${after[0]}`)
      assert.notStrictEqual(before[0], after[0])
      assert.deepStrictEqual(
        (yield* discovery.routes).map(({ baseUrl }) => baseUrl),
        [String(after[1])]
      )
      yield* worker.stop
      assert.deepStrictEqual(yield* discovery.routes, [])
      assert.instanceOf(yield* Effect.flip(worker.whileAlive(Effect.never)), WorkerDied)
    })
  )

  live("takes the port as an argument, or chooses one and tells it", () =>
    Effect.gen(function* () {
      const ports: Array<number> = []
      const command = (port: number) => {
        ports.push(port)
        return node("", String(port)) as Array<string>
      }
      const split = `const s=require("http").createServer((q,r)=>r.end("split")).listen(0,"127.0.0.1",()=>{const p=String(s.address().port);process.stdout.write("at port "+p.slice(0,2));setTimeout(()=>process.stdout.write(p.slice(2)),400)})`
      const [argument, chosen, halves] = yield* Effect.all(
        [
          Worker.make({ command, ...quiet }),
          Worker.make({
            command: [
              process.execPath,
              "-e",
              `const s=require("http").createServer((q,r)=>r.end("mine")).listen(0,"127.0.0.1",()=>console.error("at port "+s.address().port))`
            ],
            ready: /at port (?<port>\d+)/,
            ...quiet
          }),
          // In two pieces, and without the end of its line.
          Worker.make({ command: [process.execPath, "-e", split], ready: /at port (?<port>\d+)/, ...quiet })
        ],
        { concurrency: 3 }
      )
      assert.strictEqual(ports.length, 1)
      assert.strictEqual(yield* get(yield* halves.url), "split")
      assert.strictEqual(yield* get(yield* argument.url), `hello ${yield* argument.pid}`)
      assert.strictEqual(yield* get(yield* chosen.url), "mine")
    })
  )

  live("in Node writes its coverage, though a signal ends it", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ipc-coverage-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const env = { NODE_V8_COVERAGE: folder }
      const worker = yield* Worker.make({ command: node("globalThis.covered=1"), env, ...quiet })
      assert.deepStrictEqual(yield* worker.stop, { code: 143 })
      const written = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"))
      assert.isAbove(written.length, 0)
    })
  )

  live("or from a module that waits for a debugger may take as long as that does", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(Port.free)
      const options = { execArgv: [`--inspect-wait=127.0.0.1:${port}`], startTimeout: "1 millis" } as const
      const starting = yield* Effect.fork(start("worker-promise.ts", options))
      const target = yield* Effect.tryPromise(() =>
        fetch(`http://127.0.0.1:${port}/json`).then(
          (response) => response.json() as Promise<[{ readonly webSocketDebuggerUrl: string }]>
        )
      ).pipe(Effect.retry(Schedule.spaced("10 millis")), Effect.timeout("10 seconds"))
      const socket = new WebSocket(target[0].webSocketDebuggerUrl)
      socket.on("open", () => socket.send('{"id":1,"method":"Runtime.runIfWaitingForDebugger"}'))
      const worker = yield* Fiber.join(starting)
      socket.terminate()
      assert.isTrue(yield* lives(yield* worker.pid))
    })
  )
})

describe("a command that doesn't become ready", () => {
  const failing = (options: Omit<Worker.CommandWorkerOptions, "runtimeId">) =>
    Effect.map(Effect.flip(Worker.make({ runtimeId: "app", ...quiet, ...options })), told)

  live("is told with what to do", () =>
    Effect.gen(function* () {
      const limit = { startTimeout: "300 millis", stopGrace: "100 millis" } as const
      const server = node() as Array<string>
      const messages = yield* Effect.all(
        [
          failing({ command: ["no-such-program", "--port"] }),
          failing({ command: [process.execPath, "-e", "setTimeout(()=>{},9999)"], ...limit }),
          failing({
            command: [process.execPath, "-e", "console.log(1);setTimeout(()=>{},9999)"],
            ready: /2/,
            ...limit
          }),
          failing({ command: [process.execPath, "-e", "console.error('no database');process.exit(1)"] }),
          failing({ command: [process.execPath, "-e", "console.error('Error: EADDRINUSE');process.exit(1)"] }),
          failing({ command: ["sh", "-c", "true"] }),
          failing({ command: ["sh", "-c", "kill -TERM $$"] }),
          failing({ command: server, api: "a/b", pathPrefix: "no slash" })
        ],
        { concurrency: 4 }
      )
      // What a program has printed when the limit passes is another thing each time.
      const isCut = (at: number) => at === 1 || at === 2 || at === 7
      expect(
        messages.map((message, at) => (isCut(at) ? message.split("\n")[0]?.replace(/\(node .*\)/, "(node)") : message))
      ).toMatchInlineSnapshot(`
        [
          "Worker "app" (no-such-program --port) could not be started: spawn no-such-program ENOENT. Is the program installed and on the PATH? Check { command } and { cwd }.
        It wrote nothing to stderr or stdout.",
          "Worker "app" (node)/ }, and one that takes longer { startTimeout }.",
          "Worker "app" (node) had printed nothing that { ready } matches after 300ms. Does it print that when it is ready, and not keep its output back? One that takes longer needs { startTimeout }.",
          "Worker "app" (node -e console.error('no database');process.exit(1)) exited with code 1 before it was ready. Fix the error printed on stderr:
        The end of its stderr:
          | no database",
          "Worker "app" (node -e console.error('Error: EADDRINUSE');process.exit(1)) exited with code 1 before it was ready. Its port is taken. Does it listen on the port in its variable PORT, and not on one of its own?
        The end of its stderr:
          | Error: EADDRINUSE",
          "Worker "app" (sh -c true) exited with code 0 before it was ready. A command is a server that goes on until it is ended: does it run in the background, or only start another?
        It wrote nothing to stderr or stdout.",
          "Worker "app" (sh -c kill -TERM $$) was ended by SIGTERM before it was ready. It was sent that signal from outside.
        It wrote nothing to stderr or stdout.",
          "Worker "app" (node) can't be registered. The entry {"api":"a/b","baseUrl":"http://127.0.0.1:PORT","pathPrefix":"no slash"} can't be registered: pathPrefix must start with "/". An entry looks like {"api":"users","baseUrl":"http://host:PORT","pathPrefix":"/users"}. Check { api } and { pathPrefix }.",
        ]
      `)
    })
  )

  it("or is refused, where plain JavaScript describes it wrongly", async () => {
    await using gateway = await TestGateway.start()
    const wrong: ReadonlyArray<unknown> = [
      { command: "python3 app.py" },
      { command: [] },
      { command: ["a"], comand: ["b"] },
      { command: ["a"], module: "b" },
      { command: ["a"], ready: "listening" },
      { command: ["a"], pathPrefix: "/a" },
      { comand: ["a"] },
      {},
      undefined,
      "./worker.js",
      { command: () => "a" },
      { command: ["a"], api: 7 },
      { command: ["a"], api: "" },
      { command: ["a"], env: { COLOUR: 7 } },
      { command: ["a"], stdio: "pipe" },
      { command: ["a"], runtimeId: 7 },
      { command: ["a"], startTimeout: "soon" },
      { command: ["a"], cwd: 7 },
      { module: 7 },
      { module: new URL("https://users.test/worker.js") },
      { module: "a.js", args: "--port" },
      { module: "a.js", execArgv: "--import tsx" },
      { module: "a.js", token: 7 }
    ]
    const messages = await Promise.all(
      wrong.map((options) => gateway.worker(options as never).then(String, (error: Error) => error.message))
    )
    expect(messages).toMatchInlineSnapshot(`
      [
        "a worker from a command: command is an array of strings, the program and its arguments, such as ["sh", "-c", "python3 app.py"]; not a string.",
        "a worker from a command: command is an array of strings, the program and its arguments; not an array.",
        "a worker from a command: its options have no "comand". Did you mean "command"? They take command, api, pathPrefix, ready, runtimeId, env, cwd, stdio, startTimeout, stopGrace.",
        "a worker from a command: its options have no "module". They take command, api, pathPrefix, ready, runtimeId, env, cwd, stdio, startTimeout, stopGrace.",
        "a worker from a command: ready is a regular expression that its output matches, such as /listening/; not a string.",
        "a worker from a command: pathPrefix needs an api: pass { api } as well, or omit both and register the service yourself.",
        "a worker has { module: new URL("./worker.js", import.meta.url) } or { command: ["python3", "app.py"] }.",
        "a worker has { module: new URL("./worker.js", import.meta.url) } or { command: ["python3", "app.py"] }.",
        "a worker has { module: new URL("./worker.js", import.meta.url) } or { command: ["python3", "app.py"] }.",
        "a worker has { module: new URL("./worker.js", import.meta.url) } or { command: ["python3", "app.py"] }.",
        "a worker from a command: command is an array of strings, the program and its arguments, such as ["sh", "-c", "a"]; not a string.",
        "a worker from a command: its api is a string, not a number.",
        "a worker from a command: its api is empty.",
        "a worker from a command: its variable COLOUR is a string, not a number.",
        "a worker from a command: its stdio is "inherit" or "capture", not "pipe".",
        "a worker from a command: its runtimeId is a string, not a number.",
        "a worker from a command: its startTimeout is a duration, such as "20 millis" or a number of milliseconds, not "soon".",
        "a worker from a command: its cwd is a string, not a number.",
        "a worker from a module: its module is a path or a URL, not 7.",
        "a worker from a module: its module is at the URL of a file, not at https:.",
        "a worker from a module: its args is an array of strings, not a string.",
        "a worker from a module: its execArgv is an array of strings, not a string.",
        "a worker from a module: its token is a string, not a number.",
      ]
    `)
  })
})
