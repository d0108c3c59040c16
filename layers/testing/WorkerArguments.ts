/**
 * The options of any worker in programs that no compiler checks.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { kindOf, type OptionNames } from "../../src/internal/OptionNames.js"
import type { LaunchOptions } from "./WorkerControl.js"

export const launchNames: OptionNames<LaunchOptions> = {
  runtimeId: true,
  env: true,
  cwd: true,
  stdio: true,
  startTimeout: true,
  stopGrace: true
}

export const launchIssue = (options: LaunchOptions): string | undefined => {
  const { cwd, env, runtimeId, startTimeout, stdio, stopGrace } = options
  return (
    ArgumentIssue.nameIssue("its runtimeId", runtimeId) ??
    envIssue(env) ??
    ArgumentIssue.nameIssue("its cwd", cwd) ??
    (stdio === undefined || stdio === "inherit" || stdio === "capture"
      ? undefined
      : `its stdio is "inherit" or "capture", not ${ArgumentIssue.shown(stdio)}`) ??
    (startTimeout === undefined ? undefined : ArgumentIssue.durationIssue("its startTimeout", startTimeout)) ??
    (stopGrace === undefined ? undefined : ArgumentIssue.durationIssue("its stopGrace", stopGrace))
  )
}

const envIssue = (env: unknown): string | undefined => {
  if (env === undefined) return undefined
  if (!Predicate.isRecord(env)) return `its env is an object of variables, not ${kindOf(env)}`
  for (const [name, value] of Object.entries(env)) {
    const issue = ArgumentIssue.textIssue(`its variable ${name}`, value)
    if (issue !== undefined) return issue
  }
  return undefined
}
