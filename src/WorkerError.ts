/**
 * The errors of worker processes. Each message tells the author of a test what to do.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { printableLines, quote } from "./internal/Printable.js"

/**
 * The worker's process ended while a call waited for it.
 *
 * @since 0.1.0
 * @category workers
 */
export class WorkerDied extends Schema.TaggedError<WorkerDied>("effect-ipc/WorkerDied")("WorkerDied", {
  runtimeId: Schema.String,
  /** The path of its module, or its command. */
  module: Schema.String,
  /** Default `module`. */
  kind: Schema.optional(Schema.Literal("module", "command")),
  /** When: `before it was ready`, or `during request "config/set"`. */
  when: Schema.String,
  code: Schema.optional(Schema.Number),
  signal: Schema.optional(Schema.String),
  /** Whether the runner ended it: by `stop` or `restart`, or because its scope closed. */
  stopped: Schema.Boolean,
  /** The end of what it wrote to stderr, at most 4 KiB. */
  stderr: Schema.String,
  /** The end of what it wrote to stdout, at most 4 KiB. */
  stdout: Schema.String
}) {
  override get message() {
    const how = this.signal !== undefined ? `was ended by ${this.signal}` : `exited with code ${this.code ?? "unknown"}`
    const start = `Worker ${quote(this.runtimeId)} (${this.module}) ${how} ${this.when}.`
    return [`${start} ${diedHint(this)}`, ...(isMissing(this) ? [] : quotedEnd(this))].join("\n")
  }
}

/**
 * The worker's process could not be started, or wasn't ready within the limit and was ended.
 *
 * @since 0.1.0
 * @category workers
 */
export class WorkerStartFailed extends Schema.TaggedError<WorkerStartFailed>("effect-ipc/WorkerStartFailed")(
  "WorkerStartFailed",
  {
    runtimeId: Schema.String,
    /** The path of its module, or its command. */
    module: Schema.String,
    /** Default `module`. */
    kind: Schema.optional(Schema.Literal("module", "command")),
    reason: Schema.Literal("NotSpawned", "NotConnected", "NotReady", "NotListening", "NotSaid", "NotRegistered"),
    /** The operating system's or discovery's message, or how long the runner waited. */
    detail: Schema.String,
    /** The end of what it wrote to stderr, at most 4 KiB. */
    stderr: Schema.String,
    /** The end of what it wrote to stdout, at most 4 KiB. */
    stdout: Schema.String
  }
) {
  override get message() {
    const worker = `Worker ${quote(this.runtimeId)} (${this.module})`
    return [`${worker} ${startHint(this)}`, ...quotedEnd(this)].join("\n")
  }
}

const diedHint = (died: WorkerDied): string => {
  const { code, kind, signal, stderr, stopped, when } = died
  if (stopped) return "The test ended it: by stop or restart, or because the worker's scope closed."
  if (kind === "command") return commandHint(died)
  if (noTypeScript.test(stderr)) {
    return 'Node can\'t load its module as it is: pass { execArgv: ["--import", "tsx"] }, or the path of the compiled file.'
  }
  if (unresolvedByTypeScript.test(stderr)) {
    return 'A TypeScript module imports one that Node can\'t find: fix the path, or pass { execArgv: ["--import", "tsx"] } where it names a file that is yet to be compiled.'
  }
  // Of an import ERR_MODULE_NOT_FOUND; of the program itself, where nothing is preloaded, without ERR_.
  if (stderr.includes("MODULE_NOT_FOUND")) return "Is the module's path right? Pass a URL: new URL(…, import.meta.url)."
  if (signal === "SIGKILL") return "It was killed by the test, by another process, or by the system for lack of memory."
  if (signal !== undefined) return "It was sent that signal from outside."
  if (code === sigtermExitCode) return "It was sent SIGTERM from outside."
  if (code === 0 && when === beforeReady) {
    return "It ended because it had nothing left to do: does its module call WorkerClient.run, or await WorkerClient.connect?"
  }
  if (code === 0) return "It ended by itself: does it call process.exit, or close its connection?"
  return stderr.trim() === "" ? "It printed no reason on stderr." : "Fix the error printed on stderr:"
}

/** Whether Node found no such module: all else that it prints is Node's own. */
const isMissing = ({ module, stderr }: WorkerDied): boolean => stderr.includes(`Cannot find module '${module}'`)

/** Which Node knows what of TypeScript: none before 22.18, then types that can be erased, outside of node_modules. */
const noTypeScript =
  /ERR_UNKNOWN_FILE_EXTENSION|ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX|ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING/

const unresolvedByTypeScript = /Cannot find (?:module|package) .* imported from .*\.[cm]?tsx?$/m

/** Of a program that isn't known. */
const commandHint = ({ code, signal, stderr, when }: WorkerDied): string => {
  if (/EADDRINUSE|address already in use/i.test(stderr)) {
    return "Its port is taken. Does it listen on the port in its variable PORT, and not on one of its own?"
  }
  if (signal === "SIGKILL") return "It was killed by the test, by another process, or by the system for lack of memory."
  if (signal !== undefined) return "It was sent that signal from outside."
  if (code === 0 && when === beforeReady) {
    return "A command is a server that goes on until it is ended: does it run in the background, or only start another?"
  }
  return stderr.trim() === "" ? "It printed no reason on stderr." : "Fix the error printed on stderr:"
}

const startHint = ({ detail, kind, reason }: WorkerStartFailed): string => {
  switch (reason) {
    case "NotSpawned":
      return kind === "command"
        ? `could not be started: ${detail}. Is the program installed and on the PATH? Check { command } and { cwd }.`
        : `could not be started: ${detail}. Check { cwd } and { execArgv }.`
    case "NotListening":
      return `listened on no port that it was given ${detail}. It listens on the port in its variable PORT; one that takes it as an argument needs { command: (port) => [...] }, one that chooses its own { ready: /listening on (?<port>\\d+)/ }, and one that takes longer { startTimeout }.`
    case "NotSaid":
      return `had printed nothing that { ready } matches ${detail}. Does it print that when it is ready, and not keep its output back? One that takes longer needs { startTimeout }.`
    case "NotRegistered":
      return `can't be registered. ${detail} Check { api } and { pathPrefix }.`
    case "NotConnected":
      return `hadn't connected ${detail}. Does its module call WorkerClient.run, or await WorkerClient.connect? One that takes longer to load needs { startTimeout }.`
    case "NotReady":
      return `was connected, but not ready ${detail}. What it does before it is ready (the effect given to WorkerClient.run, the function given to WorkerClient.connect) has to end; one that takes longer needs { startTimeout }. Where its module calls neither, call one, or start it with { command }.`
  }
}

/**
 * The exit code of a worker that ends by SIGTERM: 128 and the number of the signal, as shells have it.
 *
 * @internal
 */
export const sigtermExitCode = 143

/** @internal */
export const beforeReady = "before it was ready"

/** The end of stderr, or of stdout where stderr is empty. */
const quotedEnd = ({ stderr, stdout }: { readonly stderr: string; readonly stdout: string }): ReadonlyArray<string> => {
  const [name, text] = stderr.trim() === "" ? ["stdout", stdout.trim()] : ["stderr", stderr.trim()]
  if (text === "") return ["It wrote nothing to stderr or stdout."]
  return [
    `The end of its ${name}:`,
    ...printableLines(text)
      .split("\n")
      .map((line) => `  | ${line}`)
  ]
}
