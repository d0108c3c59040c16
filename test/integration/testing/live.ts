/** Tests with a gateway of their own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { GatewayTest } from "effect-ipc/testing"
import { live as liveTest } from "../../support/live.js"

export const live = <E>(name: string, test: () => Effect.Effect<unknown, E, GatewayTest.GatewayTest | Scope.Scope>) =>
  liveTest(name, () => Effect.provide(test(), GatewayTest.layer()), 30_000)

/** An error's message, line by line. */
export const text = (error: { readonly message: string }): ReadonlyArray<string> => error.message.split("\n")
