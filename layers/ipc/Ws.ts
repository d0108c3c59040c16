/**
 * The package ws: loaded by a server, and by a client that connects by TCP.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Package from "ws"
import * as Lazily from "../Lazily.js"

/**
 * @internal
 */
export type Ws = typeof Package

/**
 * @internal
 */
export const load: Effect.Effect<Ws, NodeJS.ErrnoException> = Lazily.module("ws", () => import("ws"))
