/**
 * The environment of a worker's process: its variables, and the coverage that it writes when it is stopped.
 *
 * @internal
 */
import { randomUUID } from "node:crypto"

/** Variables in addition to the runner's; those that are undefined are unset. */
export type Variables = Readonly<Record<string, string | undefined>>

/** A name that no other worker has. */
export const nameFor = (program: string): string => `${program.replace(/\.[^.]*$/, "")}-${randomUUID().slice(0, 8)}`

export const of = (given: Variables | undefined, own: Variables): NodeJS.ProcessEnv => ({
  ...process.env,
  ...given,
  ...own
})

/** Where coverage is asked for, a Node program writes it at SIGTERM as well. */
export const ofCommand = (given: Variables | undefined, own: Variables): NodeJS.ProcessEnv => {
  const env = of(given, own)
  if (!env.NODE_V8_COVERAGE) return env
  return {
    ...env,
    NODE_OPTIONS: `${env.NODE_OPTIONS ?? ""} --import=data:text/javascript,${encodeURIComponent(exitAtSigterm)}`.trim()
  }
}

/** Node writes coverage when it exits, not when a signal ends it. A program with a listener of its own ends as that does. */
const exitAtSigterm = `process.on("SIGTERM",()=>{if(process.listenerCount("SIGTERM")===1)process.exit(143)})`
