/**
 * The programs in test/support/processes, run as children that end with the test's scope.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Child, type ChildOptions, spawnNode } from "./ChildProcess.js"
import { program } from "./program.js"

export type { Child, ChildOptions } from "./ChildProcess.js"

export const start = (name: string, options: ChildOptions = {}): Effect.Effect<Child, never, Scope.Scope> =>
  spawnNode(program(`test/support/processes/${name}`), options)
