/**
 * How a worker process fails whoever waits for it: each message tells the author of a test what to do.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The worker's process ended while something waited for it.
 *
 * @since 0.1.0
 * @category workers
 */
export class WorkerDied extends Schema.TaggedError<WorkerDied>("effect-ipc/WorkerDied")("WorkerDied", {
  runtimeId: Schema.String,
  /** The path of its module. */
  module: Schema.String,
  /** What waited: `before it was ready`, or `during request "config/set"`. */
  when: Schema.String,
  code: Schema.optional(Schema.Number),
  signal: Schema.optional(Schema.String),
  /** Whether the runner ended it: by `stop` or `restart`, or as its scope closed. */
  stopped: Schema.Boolean,
  /** The end of what it wrote to stderr, at most 4 KiB. */
  stderr: Schema.String,
  /** The end of what it wrote to stdout, at most 4 KiB. */
  stdout: Schema.String
}) {
  override get message() {
    const how = this.signal !== undefined ? `was ended by ${this.signal}` : `exited with code ${this.code ?? "unknown"}`
    const start = `Worker ${JSON.stringify(this.runtimeId)} (${this.module}) ${how} ${this.when}.`
    return [`${start} ${diedHint(this)}`, ...quotedEnd(this)].join("\n")
  }
}

/**
 * The worker's process could not be started, or wasn't ready within the limit; it has been ended.
 *
 * @since 0.1.0
 * @category workers
 */
export class WorkerStartFailed extends Schema.TaggedError<WorkerStartFailed>("effect-ipc/WorkerStartFailed")(
  "WorkerStartFailed",
  {
    runtimeId: Schema.String,
    /** The path of its module. */
    module: Schema.String,
    reason: Schema.Literal("NotSpawned", "NotConnected", "NotReady"),
    /** What the operating system said, or how long was waited. */
    detail: Schema.String,
    /** The end of what it wrote to stderr, at most 4 KiB. */
    stderr: Schema.String,
    /** The end of what it wrote to stdout, at most 4 KiB. */
    stdout: Schema.String
  }
) {
  override get message() {
    const who = `Worker ${JSON.stringify(this.runtimeId)} (${this.module})`
    return [`${who} ${startHint(this.reason, this.detail)}`, ...quotedEnd(this)].join("\n")
  }
}

const diedHint = ({ code, signal, stderr, stopped, when }: WorkerDied): string => {
  if (stopped) return "The test ended it: by stop or restart, or as the worker's scope closed."
  if (stderr.includes("ERR_UNKNOWN_FILE_EXTENSION")) {
    return 'Node can\'t load its module as it is: pass { execArgv: ["--import", "tsx"] }, or the path of the compiled file.'
  }
  // Of an import ERR_MODULE_NOT_FOUND; of the program itself, where nothing is preloaded, without ERR_.
  if (stderr.includes("MODULE_NOT_FOUND")) return "Is the module's path right? Pass a URL: new URL(…, import.meta.url)."
  if (signal === "SIGKILL") return "Something killed it: the test, another process, or the system for want of memory."
  if (signal !== undefined) return "Something sent it that signal."
  if (code === 0 && when === beforeReady) {
    return "It ended as if it had nothing to do: does its module call WorkerClient.run, or await WorkerClient.connect?"
  }
  if (code === 0) return "It ended of its own accord: does it call process.exit, or close what kept it connected?"
  return stderr.trim() === "" ? "It didn't say why on stderr." : "Mend what it says on stderr:"
}

const startHint = (reason: WorkerStartFailed["reason"], detail: string): string => {
  switch (reason) {
    case "NotSpawned":
      return `could not be started: ${detail}. Check { cwd } and { execArgv }.`
    case "NotConnected":
      return `hadn't connected ${detail}. Does its module call WorkerClient.run, or await WorkerClient.connect? One that takes longer to load needs { startTimeout }.`
    case "NotReady":
      return `was connected, but not ready ${detail}. What it does before it is ready (the effect given to WorkerClient.run, the function given to WorkerClient.connect) has to end; one that takes longer needs { startTimeout }.`
  }
}

/** @internal */
export const beforeReady = "before it was ready"

/** Whichever stream has something to say; stderr first. */
const quotedEnd = ({ stderr, stdout }: { readonly stderr: string; readonly stdout: string }): ReadonlyArray<string> => {
  const [name, text] = stderr.trim() === "" ? ["stdout", stdout.trim()] : ["stderr", stderr.trim()]
  if (text === "") return ["It wrote nothing to stderr or stdout."]
  return [`The end of its ${name}:`, ...text.split("\n").map((line) => `  | ${line}`)]
}
